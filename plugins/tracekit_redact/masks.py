"""What stands in the place of a secret."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracekit_redact.found import Found
from tracekit_redact.placeholders import MASK
from tracekit_redact.search import Search

__all__ = ["Report", "mask_of", "masked_text"]

Report = Callable[[str], None]
"""Is told the kind of each secret that was masked."""


def mask_of(kind: str, quote: str = "") -> str:
    """The mask of a kind of secret."""
    return f"{quote}{MASK}{kind}]{quote}"


def masked_text(search: Search, text: str, report: Report) -> str:
    """A whole text with its secrets masked; the same object where it has none."""
    found = search.secrets(text)
    if not found:
        return text
    for one in found:
        report(one.kind)
    return replaced(text, found)


def replaced(text: str, found: Sequence[Found]) -> str:
    """A text with masks at the places found, which are in order and apart."""
    pieces: list[str] = []
    at = 0
    for one in found:
        pieces += (text[at : one.start], mask_of(one.kind, one.quote))
        at = one.stop
    return "".join((*pieces, text[at:]))
