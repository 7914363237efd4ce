"""What other programs tell of their traces, checked and masked: as the store takes it, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = [
    "INGESTED",
    "Ending",
    "IncomingEvent",
    "IncomingSpan",
    "IncomingTrace",
    "IngestedEvent",
    "IngestedTrace",
    "Outcome",
]

INGESTED = "ingest"
"""Stands where the process stands that owns a trace, where no recorder does."""

Outcome = Literal["stored", "duplicate", "dropped"]
"""An event was stored now; or it was before, under the same id; or the trace is full."""


class IncomingEvent(NamedTuple):
    """One event. Its payload is masked JSON text within the limit; `cut`: it was longer."""

    event_type: str
    timestamp: int
    payload: str
    cut: bool
    id: str | None = None
    """What the program's own id is known by; told once more, the event is stored no second time."""
    span_id: str | None = None
    phase: str | None = None
    step: dict[str, Any] | None = None
    """The payload of an event that changes the row of its span."""


class IncomingSpan(NamedTuple):
    """A step as it stands. `id` names this word on it: told once more it changes nothing."""

    id: str
    span_id: str
    started: IncomingEvent
    """Stored if the step is new."""
    beat: IncomingEvent
    """Stored if it is not, and goes on."""
    finished: IncomingEvent | None
    """Stored if it has ended."""


class Ending(NamedTuple):
    """How a trace ended."""

    status: str
    end_reason: str
    reason_code: str | None
    error: str | None
    ended_at: int


@dataclass(frozen=True, slots=True)
class IncomingTrace:
    """What is told of one trace in one request."""

    trace_id: str
    columns: dict[str, Any]
    """Columns of a trace that is new; of one that is known, those of them that are empty are filled."""
    started_at: int
    environment: str
    parent_trace_id: str | None = None
    parent_span_id: str | None = None
    events: Sequence[IncomingEvent] = ()
    spans: Sequence[IncomingSpan] = ()
    ending: Ending | None = None
    redacted: int = 0
    """Values that were masked."""


class IngestedEvent(NamedTuple):
    """What became of an event. `seq` is its number; None where it was dropped."""

    id: str | None
    seq: int | None
    outcome: Outcome


@dataclass(slots=True)
class IngestedTrace:
    """What became of what was told of one trace."""

    trace_id: str
    created: bool = False
    status: str = ""
    last_seq: int = 0
    stored: int = 0
    """Events stored now, those that were made of spans and of the end among them."""
    duplicates: int = 0
    dropped: int = 0
    events: list[IngestedEvent] = field(default_factory=list)
    """One for each event that was told, in the same order."""
