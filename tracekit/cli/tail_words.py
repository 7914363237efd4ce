"""One event in a few words, for a line of its own."""

from __future__ import annotations

from tracekit import json_text
from tracekit.human_units import duration_text
from tracekit.store import EventRecord
from tracekit.terminal_text import fit

__all__ = ["event_words"]

_COLUMNS = 300


def event_words(event: EventRecord) -> str:
    """What a frame holds; the name of a tool; the payload of anything else. Safe for a terminal, of bounded length."""
    if event.raw is not None:
        return fit(event.raw[: _COLUMNS * 4].decode("utf-8", "replace").strip(), _COLUMNS)
    payload = event.payload or {}
    if event.event_type.startswith("tool.") and isinstance(payload.get("name"), str):
        spent = payload.get("duration_us")
        took = f" in {duration_text(spent)}" if isinstance(spent, int) and 0 <= spent < 2**63 else ""
        return fit(payload["name"], 60) + took
    return fit(json_text.encode(payload), _COLUMNS) if payload else ""
