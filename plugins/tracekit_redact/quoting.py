"""Where a quoted value ends in text that may be JSON, JSON inside JSON, or code."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Quoted", "quoted_value"]

_OPENING = re.compile(r"[bBrRfFuU]?(?P<slashes>\\{0,7})(?P<quote>[\"'`])")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\r\n]*+(?:\\[^\r\n][^{quote}\\\r\n]*+)*+\\?") for quote in "\"'`"}


class Quoted(NamedTuple):
    """The inside of a pair of quotes, from `start` to before `stop`."""

    start: int
    stop: int
    depth: int
    """Backslashes before its quotes: 1 in JSON, 3 in JSON inside JSON."""
    closed: bool


def quoted_value(text: str, at: int) -> Quoted | None:
    """The quoted value that begins at `at`; None where no quote stands there."""
    opening = _OPENING.match(text, at)
    if opening is None:
        return None
    quote, depth = opening["quote"], len(opening["slashes"])
    stop = _plain_end(text, opening.end(), quote) if depth == 0 else _escaped_end(text, opening.end(), quote, depth)
    if text.startswith(quote, stop + depth):
        return Quoted(opening.end(), stop, depth, closed=True)
    return Quoted(opening.end(), stop, depth, closed=False)


def _plain_end(text: str, start: int, quote: str) -> int:
    match = _PLAIN[quote].match(text, start)
    return match.end() if match else start


def _escaped_end(text: str, start: int, quote: str, depth: int) -> int:
    """The first quote with no more backslashes before it than the opening one; those of inner strings have more.
    A line that ends before it ends the value."""
    at = text.find(quote, start)
    while at >= 0 and (slashes := _slashes(text, start, at)) > depth:
        at = text.find(quote, at + 1)
    stop = len(text) if at < 0 else at - slashes
    line_end = text.find("\n", start, stop)
    return stop if line_end < 0 else line_end


def _slashes(text: str, start: int, at: int) -> int:
    before = text[max(start, at - 16) : at]
    return len(before) - len(before.rstrip("\\"))
