"""Credentials that follow the name of their scheme: Bearer and Basic (RFC 6750, RFC 7617)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from tracekit_redact.found import Found, begins_word
from tracekit_redact.triggers import END, Trigger

__all__ = ["scheme_triggers"]

_BEARER = re.compile(r"[Bb]earer\s{1,4}|BEARER\s{1,4}", re.ASCII)
_BASIC = re.compile(r"[Bb]asic\s{1,4}|BASIC\s{1,4}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]*={0,2}")
_HAS_DIGIT = re.compile(r"[^0-9]{0,64}[0-9]")
_FOLLOW = rf"\s{{1,4}}+(?:[A-Za-z0-9._~+/-]{{6}}|[A-Za-z0-9._~+/-]{{1,5}}+(?:=|\Z|{END}))"

# Longer words of a language than this are few.
_LONGEST_WORD = 28

# Most characters of Basic credentials that are decoded to see whether they are some.
_DECODED = 64


def _bearer(text: str, at: int) -> Found | None:
    scheme = _BEARER.match(text, at)
    token = _TOKEN.match(text, scheme.end()) if scheme else None
    if token is None or not token.group() or not begins_word(text, at):
        return None
    stop = token.end()
    value = text[token.start() : stop].rstrip(".")
    complete = len(value) >= 8 and (_HAS_DIGIT.match(value) is not None or len(value) > _LONGEST_WORD)
    return _found(token.start(), token.start() + len(value), len(text) == stop, "bearer-token", complete=complete)


def _basic(text: str, at: int) -> Found | None:
    scheme = _BASIC.match(text, at)
    token = _TOKEN.match(text, scheme.end()) if scheme else None
    if token is None or not token.group() or not begins_word(text, at):
        return None
    complete = _is_user_and_password(token.group()[:_DECODED])
    return _found(token.start(), token.end(), token.end() == len(text), "basic-credentials", complete=complete)


def _found(start: int, stop: int, is_open: bool, kind: str, *, complete: bool) -> Found | None:
    return Found(start, stop, kind, complete, is_open) if complete or is_open else None


def _is_user_and_password(encoded: str) -> bool:
    whole = encoded.rstrip("=")
    if len(whole) % 4 == 1:
        whole = whole[:-1]
    try:
        decoded = base64.b64decode(whole + "=" * (-len(whole) % 4), validate=True)
    except ValueError:
        return False
    return b":" in decoded and all(32 <= byte < 127 or byte > 159 for byte in decoded)


def scheme_triggers() -> Iterator[Trigger]:
    """Triggers for the schemes in the spellings that are met."""
    for spelling in ("Bearer", "bearer", "BEARER"):
        yield Trigger(spelling, _bearer, _FOLLOW)
    for spelling in ("Basic", "basic", "BASIC"):
        yield Trigger(spelling, _basic, _FOLLOW)
