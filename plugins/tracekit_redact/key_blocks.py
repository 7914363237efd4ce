"""Private keys in PEM (RFC 7468) and PGP armour (RFC 9580), with line ends as they are or escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracekit_redact.found import Found
from tracekit_redact.triggers import END, Trigger

__all__ = ["key_block_triggers"]

# Characters that a block may have. Of a longer one the beginning is masked.
_LONGEST = 16 * 1024

_LABEL = r"[A-Z0-9 ]{1,40}"
_HEAD = re.compile(rf"-----BEGIN{_LABEL}-----")
_HEAD_BEGINNING = re.compile(r"-----BEGIN[A-Z0-9 ]{0,40}-{0,4}")
_LINE_END = r"(?:\s|\\{1,8}[nr])"
_HEADERS = rf"(?:[A-Za-z-]{{2,32}}: [^\n\\]{{1,120}}{_LINE_END}+){{0,4}}"
_BODY = re.compile(rf"{_LINE_END}*+{_HEADERS}[A-Za-z0-9+/=]{{16}}", re.ASCII)
_BODY_BEGINNING = re.compile(rf"{_LINE_END}*+[A-Za-z0-9+/=:, -]{{0,64}}+\\{{0,8}}", re.ASCII)
_TAIL = re.compile(rf"-----END{_LABEL}-----")
_TAIL_BEGINNING = re.compile(r"-----END[A-Z0-9 ]{0,40}-{0,4}\Z")

# Where no end is in reach: lines of base64, and a last short one.
_LINES = re.compile(rf"(?:{_LINE_END}|[A-Za-z0-9+/=]{{16,}}+)*+(?:[A-Za-z0-9+/=]{{1,15}}+(?=[\r\n\\-]|\Z))?", re.ASCII)


def _key_block(text: str, at: int) -> Found | None:
    head = _HEAD.match(text, at)
    if head is None:
        beginning = _HEAD_BEGINNING.match(text, at)
        return _unfinished(text, at) if beginning and beginning.end() == len(text) else None
    if "PRIVATE KEY" not in head.group():
        return None
    body = _BODY.match(text, head.end())
    if body is None:
        beginning = _BODY_BEGINNING.match(text, head.end())
        return _unfinished(text, at) if beginning and beginning.end() == len(text) else None
    end = text.find("-----END", body.end(), at + _LONGEST)
    if end >= 0:
        tail = _TAIL.match(text, end) or _TAIL_BEGINNING.match(text, end)
        return Found(
            at, tail.end() if tail else end, "private-key", open=tail is not None and tail.re is _TAIL_BEGINNING
        )
    lines = _LINES.match(text, body.end(), at + _LONGEST)
    stop = lines.end() if lines else body.end()
    is_open = len(text) - at < _LONGEST and _goes_on(text[stop:])
    return Found(at, len(text) if is_open else stop, "private-key", open=is_open)


def _unfinished(text: str, at: int) -> Found:
    return Found(at, len(text), "private-key", complete=False, open=True)


def _goes_on(rest: str) -> bool:
    """Whether what follows the last line may become the end of the block, or another line."""
    return not rest or "-----END".startswith(rest) or not rest.strip("\\")


def key_block_triggers() -> Iterator[Trigger]:
    """The trigger for the first line of a block. A dash begins much else, so four of them are no beginning."""
    follow = rf"[A-Z0-9 ]{{0,30}}(?:PRIVATE KEY|[A-Z0-9 -]{{0,24}}(?:\Z|{END}))"
    yield Trigger("-----BEGIN", _key_block, follow, holds_from=5)
