"""What a search answers, and where a word begins in text of any escaping."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["Found", "Rule", "begins_word", "merged"]


class Found(NamedTuple):
    """A secret, or what may become one, at `start` to before `stop` of a text."""

    start: int
    stop: int
    kind: str
    complete: bool = True
    """It is a secret as it stands."""
    open: bool = False
    """It reaches the end of the text, so it may go on in what follows."""
    named: bool = False
    """Only the name of its key says that it is one."""
    quote: str = ""
    """What the mask needs around it: a number in JSON becomes a string."""


Rule = Callable[[str, int], Found | None]
"""Looks at a text where a telling literal begins. Whether there is a secret, or the beginning of one."""

# A letter before a key is part of another word, unless it is the end of an escape: JSON in text, or a URL.
_ESCAPE = re.compile(r"(?:\\[nrtbfv0]|\\u00[0-9a-fA-F]{2}|%[0-9a-fA-F]{2})\Z")


def begins_word(text: str, at: int) -> bool:
    """Whether no letter or digit of ASCII stands before `at`."""
    if at == 0:
        return True
    before = text[at - 1]
    if not (before.isascii() and before.isalnum()):
        return True
    return _ESCAPE.search(text[max(0, at - 6) : at]) is not None


def merged(found: Iterable[Found]) -> list[Found]:
    """Secrets in order; those that overlap as one, of the kind that its own form tells."""
    result: list[Found] = []
    for one in sorted(found):
        if not result or one.start >= result[-1].stop:
            result.append(one)
            continue
        last = result[-1]
        kind = one.kind if last.named and not one.named else last.kind
        stop = max(last.stop, one.stop)
        result[-1] = last._replace(
            stop=stop, kind=kind, complete=True, open=last.open or one.open, named=last.named and one.named
        )
    return result
