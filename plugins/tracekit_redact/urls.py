"""Secrets in URLs: the password of `scheme://user:password@host`, and the keys in a query."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracekit_redact.found import Found
from tracekit_redact.triggers import Trigger

__all__ = ["url_triggers"]

_USER = re.compile(r"[^\s/@\"'<>:\\?#]{0,64}:", re.ASCII)
_PASSWORD = re.compile(r"(?P<password>[^\s/\"'<>\\]{1,256})@", re.ASCII)
# A password that nobody has escaped may have a slash in it; a port has none.
_SLASHED = re.compile(r"(?P<password>(?![0-9]{1,5}/)[^\s\"'<>\\@]{1,256}+)@", re.ASCII)
_UNFINISHED = re.compile(r"(?P<password>[^\s/\"'<>\\]{1,256}+)\Z", re.ASCII)
_WEB = ("http", "https", "ws", "wss", "ftp", "git", "file")

_ENCODED = re.compile(
    r"%3A%2F%2F(?:[A-Za-z0-9._~-]|%(?!3A|40)[0-9A-F]{2}){0,64}+%3A(?P<password>(?:[^\s%&]|%(?!40)..){1,128}+)%40"
)

# A password that is a place to put one: a variable, a template, asterisks.
_PLACE = re.compile(r"[$%{\[<].*|\*+|\[redacted.*", re.DOTALL)

_QUERY_VALUE = re.compile(r"[^\s\"'`<>&#\\)\]]+", re.ASCII)


def _connection(text: str, at: int) -> Found | None:
    after = text.index("/", at) + (2 if text.startswith("//", at + 1) else 3)
    user = _USER.match(text, after)
    if user is None:
        return None
    after = user.end()
    match = _PASSWORD.match(text, after)
    if match is None and _scheme(text, at) not in _WEB:
        match = _SLASHED.match(text, after)
    if match is not None:
        return None if _PLACE.fullmatch(match["password"]) else _password(match, complete=True)
    unfinished = _UNFINISHED.match(text, after)
    return _password(unfinished, complete=False) if unfinished else None


def _password(match: re.Match[str], *, complete: bool) -> Found:
    start, stop = match.span("password")
    return Found(start, stop, "password-in-url", complete, not complete)


def _scheme(text: str, at: int) -> str:
    before = text[max(0, at - 16) : at]
    return before[len(before.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-")) :].lower()


def _encoded_connection(text: str, at: int) -> Found | None:
    match = _ENCODED.match(text, at)
    return _password(match, complete=True) if match else None


def _query_value(text: str, at: int) -> Found | None:
    value = _QUERY_VALUE.match(text, text.index("=", at) + 1)
    if value is None:
        return None
    return Found(value.start(), value.end(), "key-in-url", open=value.end() == len(text), named=True)


def url_triggers() -> Iterator[Trigger]:
    """Triggers for URLs as they are, with escaped slashes (PHP writes JSON so), and inside the query of another."""
    yield Trigger("://", _connection, _USER.pattern)
    yield Trigger(":\\/\\/", _connection, _USER.pattern)
    yield Trigger("%3A%2F%2F", _encoded_connection)
    for name in ("key", "sig"):
        for before in ("?", "&", "\\u0026", "&amp;"):
            yield Trigger(f"{before}{name}=", _query_value)
    yield Trigger("ignature=", _query_value)
