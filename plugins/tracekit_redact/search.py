"""All that is known of secrets as one search over a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tracekit_redact.assignments import Assignments
from tracekit_redact.found import Found, begins_word, merged
from tracekit_redact.key_blocks import key_block_triggers
from tracekit_redact.names import SecretNames
from tracekit_redact.personal import Seeker
from tracekit_redact.placeholders import MASK
from tracekit_redact.schemes import scheme_triggers
from tracekit_redact.shapes import shape_triggers
from tracekit_redact.tokens import token_triggers
from tracekit_redact.triggers import Trigger, Triggers
from tracekit_redact.urls import url_triggers

__all__ = ["Search"]

# A run of letters and digits this long that mixes them is no word: it may become a secret whose mark comes later.
_MIXED_RUN = re.compile(r"(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{12,}")
_ESCAPES = frozenset("\\%")
_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

# What words and the beginnings of secrets are made of.
_TOKEN = f"{_ALNUM}-_./"

# Longer runs are data, not keys.
_LONGEST_RUN = 128


class Search:
    """Finds secrets. One is made for a configuration; it holds no state, so all traces share it."""

    def __init__(self, names: SecretNames, seekers: Sequence[Seeker], allowed: Callable[[str], bool]) -> None:
        """`seekers`: patterns of the host's own. `allowed`: whether a text that looks like a secret is none."""
        self.names = names
        self._seekers = tuple(seekers)
        self.allowed = allowed
        triggers = [*_all_triggers(names)]
        self._triggers = Triggers(triggers)
        self._beginnings = frozenset(_beginnings(triggers))
        self._longest = max(map(len, self._beginnings))

    @property
    def has_patterns(self) -> bool:
        """Whether there are patterns of the host's own."""
        return bool(self._seekers)

    def is_suspicious(self, text: str) -> bool:
        """Whether a closer look is worth its time. `END` may part texts that are looked at together."""
        return self._triggers.any(text) or any(seeker.pattern.regex.search(text) for seeker in self._seekers)

    def find(self, text: str) -> list[Found]:
        """Secrets, and at the end of the text what may become one; in no order, and some may overlap."""
        found = [*self._triggers.find(text)]
        for seeker in self._seekers:
            found += seeker.find(text)
        return [one for one in found if not (one.complete and self._is_kept(text, one))]

    def _is_kept(self, text: str, one: Found) -> bool:
        return text.startswith(MASK, one.start) or self.allowed(text[one.start : one.stop])

    def secrets(self, text: str) -> list[Found]:
        """The secrets in a text that is whole, in order, none overlapping another."""
        return merged(one for one in self.find(text) if one.complete) if self.is_suspicious(text) else []

    def unfinished_from(self, text: str) -> int:
        """Where something begins that no trigger tells of yet; the length of the text if nowhere."""
        length = len(text)
        last = text[-_LONGEST_RUN:]
        last = last[len(last.rstrip(_TOKEN)) :]
        start = length
        if last in self._beginnings or not last.isalpha() or text[-len(last) - 1 : -len(last)] in _ESCAPES:
            start -= self._begun(text, last)
        for seeker in self._seekers:
            start = min(start, seeker.unfinished_from(text))
        return start

    def _begun(self, text: str, last: str) -> int:
        """How many characters of the last word are the beginning of something."""
        run = last[len(last.rstrip(_ALNUM)) :]
        mixed = len(run) if len(run) < _LONGEST_RUN and _MIXED_RUN.match(run) else 0
        for size in range(min(self._longest, len(last)), mixed, -1):
            if last[-size:] in self._beginnings and begins_word(text, len(text) - size):
                return size
        return mixed


def _all_triggers(names: SecretNames) -> Iterator[Trigger]:
    yield from shape_triggers()
    yield from token_triggers()
    yield from scheme_triggers()
    yield from key_block_triggers()
    yield from url_triggers()
    yield from Assignments(names).triggers()


def _beginnings(triggers: Iterable[Trigger]) -> Iterator[str]:
    """The beginnings of those literals that are part of the secret."""
    for literal, _, _, holds_from in triggers:
        if holds_from:
            yield from (literal[:length] for length in range(holds_from, len(literal)))
