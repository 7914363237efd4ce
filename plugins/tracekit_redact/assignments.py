"""Values that the name before them gives away, in text of any kind: JSON, forms, queries, headers, variables, XML.

Nothing is parsed: tool arguments come in pieces, and documents are cut. How sure the place is decides how much a value
must look like a secret: under a quoted key of JSON or in a query any value is masked, in prose and code only one that
can hardly be a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracekit_redact.found import Found
from tracekit_redact.names import SecretNames, plain_name
from tracekit_redact.placeholders import is_mask, is_placeholder, looks_random
from tracekit_redact.quoting import Quoted, quoted_value
from tracekit_redact.triggers import Trigger

__all__ = ["Assignments"]

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_LONGEST_NAME = 48
_REST_OF_NAME = re.compile(r"(?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-])){0,48}")
_ESCAPE_BEFORE = re.compile(r"[nrtbf]|u00[0-9a-fA-F]{2}")

_SIGN = re.compile(
    r"(?P<close>\\{0,7}[\"'`]?\]?)[*_]{0,2}[ \t]{0,4}(?P<sign>=>|:=|={1,3}|:[ ]?[sS]tr(?:ing)?[ ]?=|:)"
    r"[*_]{0,2}(?P<space>[ \t\r\n]{0,8})",
    re.ASCII,
)
_FORM_PART = re.compile(r"\"(?:;[^\r\n]{0,200})?(?:\r?\n[^\r\n]{1,200}){0,3}\r?\n\r?\n(?P<value>[^\r\n]{1,4096})")
_ELEMENT = re.compile(r">(?P<value>[^<>\r\n]{1,512})(?=<(?:/|\Z)|\Z)")

# What decides on a value is in so many characters, so that a long run is not read again for each name in it.
_DECIDING = 96

_WORD = re.compile(r"[^\s\"'`<>&,;(){}\[\]\\|=\x7f-\U0010ffff]*={0,2}", re.ASCII)
_VARIABLE = re.compile(r"[^\s\"'`\\]*", re.ASCII)
_IN_QUERY = re.compile(r"[^\s\"'`<>&#\\)\]]*", re.ASCII)
_NUMBER = re.compile(r"-?[0-9][0-9.]{0,63}(?=\s{0,8}[,}\]])", re.ASCII)
_PUNCTUATION = ".!?:"
_CODE_AFTER = frozenset("([{")

_OPTIONS = ("password", "passwd", "token", "secret", "api-key", "apikey", "api-token", "access-token", "auth-token")

_AUTHORIZATION = re.compile(
    r"(?:(?:Bearer|Basic|Token|ApiKey|Bot|Key|Negotiate)\s{1,4}(?P<token>[^\s\"'`<>,;\\]+)"
    r"|(?:Digest|AWS4-HMAC-SHA256|OAuth)\s(?P<parts>[^\r\n\\]+))",
    re.ASCII | re.IGNORECASE,
)
_COOKIES = re.compile(r"[A-Za-z0-9_.-]{1,64}=[^\r\n\"'`\\<>]{1,4096}")
_COOKIE_BEGINNING = re.compile(r"[A-Za-z0-9_.-]{1,64}=?\Z")

# In lists of a model's words, `token` is one of them.
_WORD_OF_A_MODEL = re.compile(
    r"[\"'\\\s]{0,12},\s*\\{0,7}\"(?:logprob|bytes|id|special|token_?id|text|prob)", re.IGNORECASE
)
_LOGPROB_BEFORE = re.compile(r"logprob(?:ability)?\\{0,7}\":\s*-?[0-9.eE+-]{1,24},\s*\Z", re.IGNORECASE)


class _Name(NamedTuple):
    """A name in the text and what stands around it."""

    start: int
    stop: int
    text: str
    kind: str
    quoted: bool
    in_query: bool
    hides_numbers: bool


class Assignments:
    """Finds the values of secret names."""

    def __init__(self, names: SecretNames) -> None:
        self._names = names

    def __call__(self, text: str, at: int) -> Found | None:
        name = self._name(text, at)
        if name is None:
            return None
        value = _signed(text, name) or _unsigned(text, name)
        return None if value is None or value.start == value.stop else value

    def _name(self, text: str, at: int) -> _Name | None:
        start = _name_start(text, at)
        rest = _REST_OF_NAME.match(text, at)
        stop = rest.end() if rest else at
        kind = self._names.kind(text[start:stop])
        if kind is None:
            return None
        before = text[max(0, start - 6) : start]
        in_query = before.endswith(("?", "&", "\\u0026", "&amp;"))
        name = text[start:stop]
        return _Name(start, stop, name, kind, before[-1:] in ('"', "'"), in_query, self._names.hides_numbers(name))

    def triggers(self) -> Iterator[Trigger]:
        """Triggers for what secret names end with, in the spellings that are met."""
        sign = r"[\\\"'`\]*_]{0,9}[ \t]{0,4}[=:>;\r\n]"
        # The first letter may be a capital; it is left out, and found again as the beginning of the name.
        for stems, follow in (
            ("assw PASSW", f"[A-Za-z0-9_-]{{0,24}}{sign}"),
            ("assphrase PASSPHRASE asscode PASSCODE pwd PWD _pass _PASS jwt JWT", sign),
            ("pin", r"\\{0,7}\"[ \t]{0,4}:"),
            ("ass", r"[\\\"']{1,9}[ \t]{0,4}[=:]"),
            ("ecret SECRET key Key KEY", f"[sS]?[0-9]?{sign}"),
            ("oken TOKEN", f"[0-9]?{sign}"),
            ("ookie COOKIE redential CREDENTIAL", f"[sS]?{sign}"),
            ("uthorization AUTHORIZATION", sign),
        ):
            for stem in stems.split():
                yield Trigger(stem, self, follow)
        for spelling in sorted(self._names.spellings):
            yield Trigger(spelling, self, sign)
        for option in _OPTIONS:
            yield Trigger(f"--{option} ", self, r"\S")


def _name_start(text: str, at: int) -> int:
    before = text[max(0, at - _LONGEST_NAME) : at]
    start = at - len(before) + len(before.rstrip(_NAME_CHARACTERS))
    escape = _ESCAPE_BEFORE.match(text, start, at) if text[start - 1 : start] == "\\" else None
    if escape is not None:
        return escape.end()
    return start + 2 if text[start - 1 : start] == "%" and start + 2 <= at else start


def _signed(text: str, name: _Name) -> Found | None:
    """The value behind `=` or `:`."""
    sign = _SIGN.match(text, name.stop)
    if sign is None or sign.end() == len(text):
        return None
    quoted = quoted_value(text, sign.end())
    if quoted is None:
        return None if "\n" in sign["space"] else _bare(text, name, sign)
    value = text[quoted.start : quoted.stop]
    if _is_outer(name, sign, quoted, value):
        return None
    accept = _in_json if _is_member(name, sign) and sign["sign"] == ":" else _in_code
    complete = accept(name, value) and not _is_word_of_a_model(text, name, quoted.stop)
    is_open = not quoted.closed and quoted.stop == len(text)
    return _found(name, quoted.start, quoted.stop, complete=complete, is_open=is_open)


def _is_outer(name: _Name, sign: re.Match[str], quoted: Quoted, value: str) -> bool:
    """Whether the quote behind the sign is the end of the string in which the name stands, not the begin of a value."""
    if _is_member(name, sign):
        return quoted.depth != sign["close"].count("\\")
    return quoted.depth == 0 and value.startswith((",", "}", "]"))


def _is_member(name: _Name, sign: re.Match[str]) -> bool:
    """Whether the name stands between quotes."""
    return name.quoted and sign["close"].rstrip("]")[-1:] in ('"', "'")


def _found(name: _Name, start: int, stop: int, *, complete: bool, is_open: bool) -> Found | None:
    return Found(start, stop, name.kind, complete, is_open, named=True) if complete or is_open else None


def _bare(text: str, name: _Name, sign: re.Match[str]) -> Found | None:
    """A value without quotes."""
    if name.kind in ("authorization", "cookie") and sign["sign"] == ":":
        return _header(text, name, sign.end())
    start = sign.end()
    if _is_member(name, sign) and (number := _NUMBER.match(text, start)):
        quote = "\\" * sign["close"].count("\\") + '"'
        return Found(start, number.end(), name.kind, named=True, quote=quote) if name.hides_numbers else None
    pattern, accept = _place(name, sign)
    match = pattern.match(text, start, start + _DECIDING)
    if match is not None and accept(name, match.group().rstrip(_PUNCTUATION)):
        match = pattern.match(text, start)
    if match is None or (pattern is _WORD and text[match.end() : match.end() + 1] in _CODE_AFTER):
        return None
    is_open = match.end() == len(text)
    value = match.group() if is_open else match.group().rstrip(_PUNCTUATION)
    return _found(name, start, start + len(value), complete=accept(name, value), is_open=is_open)


_Accept = Callable[[_Name, str], bool]


def _place(name: _Name, sign: re.Match[str]) -> tuple[re.Pattern[str], _Accept]:
    is_plain_equals = sign["sign"] == "=" and sign.group() == "="
    if name.in_query and is_plain_equals:
        return _IN_QUERY, _in_query
    if is_plain_equals and name.text.isupper():
        return _VARIABLE, _in_variable
    return _WORD, _in_prose


def _header(text: str, name: _Name, at: int) -> Found | None:
    """The credentials of a header line."""
    match = (_AUTHORIZATION if name.kind == "authorization" else _COOKIES).match(text, at)
    if match is None:
        begun = _COOKIE_BEGINNING.match(text, at) if name.kind == "cookie" else None
        return Found(at, len(text), name.kind, complete=False, open=True) if begun else None
    start, stop = match.span(match.lastgroup or 0)
    return Found(start, stop, name.kind, open=stop == len(text), named=True)


def _unsigned(text: str, name: _Name) -> Found | None:
    """The value of a part of a multipart form (RFC 7578), of an XML element, or of an option of a command."""
    before = text[max(0, name.start - 6) : name.start]
    if before == 'name="':
        match = _FORM_PART.match(text, name.stop)
    elif before.endswith("<"):
        match = _ELEMENT.match(text, name.stop)
    elif name.text.startswith("--") and text[name.stop : name.stop + 1] == " ":
        return _option(text, name)
    else:
        return None
    if match is None:
        return None
    start, stop = match.span("value")
    return Found(start, stop, name.kind, open=stop == len(text), named=True)


def _option(text: str, name: _Name) -> Found | None:
    quoted = quoted_value(text, name.stop + 1)
    if quoted is not None:
        complete = _in_code(name, text[quoted.start : quoted.stop])
        is_open = not quoted.closed and quoted.stop == len(text)
        return _found(name, quoted.start, quoted.stop, complete=complete, is_open=is_open)
    match = _WORD.match(text, name.stop + 1)
    if match is None:
        return None
    complete = _in_prose(name, match.group())
    return _found(name, match.start(), match.end(), complete=complete, is_open=match.end() == len(text))


# How much a value must look like a secret, by the place where it stands


def _in_json(name: _Name, value: str) -> bool:
    if not value or is_mask(value):
        return False
    # Under the bare name `token` many streams carry the words of the answer.
    return plain_name(name.text) != "token" or (" " not in value and (len(value) > 9 or looks_random(value)))


def _in_query(_name: _Name, value: str) -> bool:
    return bool(value) and not is_mask(value)


def _in_variable(_name: _Name, value: str) -> bool:
    return len(value) >= 4 and not is_placeholder(value) and not is_mask(value)


def _in_code(name: _Name, value: str) -> bool:
    if len(value) < 4 or any(map(str.isspace, value)) or is_placeholder(value) or is_mask(value):
        return False
    return plain_name(name.text) != "token" or len(value) > 15 or looks_random(value)


def _in_prose(name: _Name, value: str) -> bool:
    if len(value) < 6 or is_placeholder(value) or is_mask(value):
        return False
    return looks_random(value) or (name.kind == "password" and value.isdigit())


def _is_word_of_a_model(text: str, name: _Name, stop: int) -> bool:
    if plain_name(name.text) != "token":
        return False
    before = text[max(0, name.start - 64) : name.start - 1]
    return _WORD_OF_A_MODEL.match(text, stop) is not None or _LOGPROB_BEFORE.search(before.rstrip("\\\"'")) is not None
