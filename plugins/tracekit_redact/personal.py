"""Personal data that a host may ask to be masked: card numbers, e-mail addresses, phone numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracekit_redact.found import Found
from tracekit_redact.host_patterns import HostPattern

__all__ = ["PERSONAL", "Seeker"]

_PHONE_DIGITS = range(8, 16)


class Seeker(NamedTuple):
    """A pattern, with what must be true of a match besides."""

    kind: str
    pattern: HostPattern
    check: Callable[[str], bool] = bool
    trim: str = ""
    """Characters at the end of a match that are not of it."""

    def find(self, text: str) -> Iterator[Found]:
        """All matches, and at the end of the text what may become one."""
        for match in self.pattern.regex.finditer(text):
            value = match.group().rstrip(self.trim)
            if self.check(value):
                yield Found(match.start(), match.start() + len(value), self.kind, open=match.end() == len(text))
        start = self.unfinished_from(text)
        if start < len(text):
            yield Found(start, len(text), self.kind, complete=False, open=True)

    def unfinished_from(self, text: str) -> int:
        """Where a match begins that may come to its end in what follows; the length of the text if nowhere."""
        match = self.pattern.unfinished.search(text, max(0, len(text) - self.pattern.length))
        return match.start() if match else len(text)


def _is_card(number: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1, annex B: Luhn's formula); rows of one digit are none."""
    digits = [int(digit) for digit in number if digit.isdecimal()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def _is_phone(number: str) -> bool:
    return sum(map(str.isdecimal, number)) in _PHONE_DIGITS


def _seekers(kind: str, *sources: str, check: Callable[[str], bool] = bool, trim: str = "") -> tuple[Seeker, ...]:
    return tuple(Seeker(kind, HostPattern(kind, source), check, trim) for source in sources)


PERSONAL = {
    "cards": _seekers(
        "card-number",
        r"\b[0-9]{13,19}\b",
        r"\b[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,7}\b",
        r"\b[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}\b",
        check=_is_card,
    ),
    "emails": _seekers("email-address", r"[A-Za-z0-9_.+%-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z0-9.-]{2,128}", trim=".-"),
    "phones": _seekers(
        "phone-number",
        r"\+[0-9][0-9 ().-]{6,22}",
        r"\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b",
        r"\b1[3-9][0-9]{9}\b",
        r"\b0[0-9]{1,4}[ /-][0-9]{3,4}[ -]?[0-9]{3,4}\b",
        check=_is_phone,
        trim=" ().-",
    ),
}
"""The seekers of each kind of personal data."""
