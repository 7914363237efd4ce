"""Telling literals searched for all at once, and fast.

An alternation of a hundred literals costs Python's `re` 200 ns a character, a pattern that begins with one plain
character half a nanosecond: it is led by `memchr`. So literals are grouped by a character that they share and that
ordinary text seldom has, and each group is one pattern that begins with it and looks back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracekit_redact.found import Found, Rule

__all__ = ["END", "Trigger", "Triggers"]

END = "\0"
"""Parts texts that are searched together: a follower takes it for the end of the text."""

# The rarest first. A literal with none of them is searched for by itself.
_ANCHORS = ("~", "/", "J", "z", "k", "=", "K", "E", "A", "B", "_", "-", ".", "ass")


# Characters at the end of literals that are looked at first.
_WIDTH = 3


class Trigger(NamedTuple):
    """A literal that tells of a secret."""

    literal: str
    rule: Rule
    follow: str = ""
    """Pattern of what must follow the literal, of bounded length; it spares looking closer at ordinary text."""
    holds_from: int = 0
    """From how many characters on a beginning of the literal is the beginning of a secret; 0: the secret only follows
    the literal."""


class _Group(NamedTuple):
    pattern: re.Pattern[str]
    entries: tuple[tuple[int, Rule], ...]
    """For each alternative: how far before the match its literal begins, and its rule."""


class Triggers:
    """Literals with their rules, compiled."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        by_anchor: dict[str, list[Trigger]] = {}
        for trigger in triggers:
            by_anchor.setdefault(_anchor(trigger.literal), []).append(trigger)
        self._groups = tuple(_group(anchor, group) for anchor, group in by_anchor.items())
        self._searches = tuple(zip(by_anchor, (group.pattern.search for group in self._groups), strict=True))

    def any(self, text: str) -> bool:
        """Whether a literal stands in the text."""
        # Most anchors are in no text, which `in` tells five times as fast as a pattern.
        for anchor, search in self._searches:  # noqa: SIM110 - any() costs twice as much
            if anchor in text and search(text):
                return True
        return False

    def find(self, text: str) -> Iterator[Found]:
        """What the rules find, in no order. Inside a secret nothing more of the same group is looked for."""
        for pattern, entries in self._groups:
            done = 0
            for match in pattern.finditer(text):
                before, rule = entries[(match.lastindex or 1) - 1]
                at = match.start() - before
                if at < done:
                    continue
                found = rule(text, at)
                if found is not None:
                    yield found
                    done = found.stop if found.complete else done


def _anchor(literal: str) -> str:
    return next((anchor for anchor in _ANCHORS if anchor in literal), literal)


def _group(anchor: str, triggers: Iterable[Trigger]) -> _Group:
    # The longer literal first: it knows more of what it found.
    ordered = sorted(triggers, key=lambda trigger: -len(trigger.literal))
    by_follow: dict[tuple[str, bool], list[Trigger]] = {}
    for trigger in ordered:
        by_follow.setdefault((trigger.follow, trigger.literal.endswith(anchor)), []).append(trigger)
    alternatives = "|".join(_alternatives(anchor, follow, group) for (follow, _), group in by_follow.items())
    pattern = re.compile(f"{re.escape(anchor)}(?:{alternatives})", re.ASCII)
    entries = (trigger for group in by_follow.values() for trigger in group)
    return _Group(pattern, tuple((trigger.literal.rindex(anchor), trigger.rule) for trigger in entries))


def _alternatives(anchor: str, follow: str, triggers: Iterable[Trigger]) -> str:
    """Literals with the same follower. Where the anchor ends them all, the follower is tried first, then whether any
    of them may end so: both are rare. An empty group tells which literal it was."""
    rests = [(literal, literal[literal.rindex(anchor) + len(anchor) :]) for literal, *_ in triggers]
    if rests[0][1]:
        return "|".join(f"{re.escape(rest)}(?<={re.escape(literal)})(?={follow})()" for literal, rest in rests)
    width = min(_WIDTH, *(len(literal) for literal, _ in rests), len(rests[0][0]))
    ends = sorted({re.escape(literal[-width:]) for literal, _ in rests})
    literals = "|".join(f"(?<={re.escape(literal)})()" for literal, _ in rests)
    return f"(?={follow})(?<={'|'.join(ends)})(?:{literals})"
