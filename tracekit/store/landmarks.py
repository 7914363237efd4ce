"""Where to look in a trace: its first content, its longest silence, its errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracekit.store.records import EventRecord
from tracekit.types import EventType

__all__ = ["Landmarks", "landmarks_of"]

_ERRORS = frozenset({EventType.ERROR, EventType.STREAM_ERROR, EventType.TOOL_FAILED})
_FRAME = EventType.STREAM_FRAME

# Errors past these are found one after another.
_MOST_ERRORS = 100


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Numbers of events that are worth a look."""

    first_content_seq: int | None
    """The frame with which the model first said anything."""
    silence_seq: int | None
    """The frame that ended the longest silence between two frames; None where there are fewer than two."""
    silence_us: int
    """How long that was."""
    error_seqs: Sequence[int]
    """Errors, the first hundred."""


def landmarks_of(events: Iterable[EventRecord], first_content_us: int | None) -> Landmarks:
    """The landmarks of a trace whose events these are. `first_content_us`: when, from its start."""
    content = silence = previous = None
    silence_us = 0
    errors: list[int] = []
    for event in events:
        if event.event_type == _FRAME:
            if content is None and first_content_us is not None and event.offset_us >= first_content_us:
                content = event.seq
            if previous is not None and event.offset_us - previous > silence_us:
                silence, silence_us = event.seq, event.offset_us - previous
            previous = event.offset_us
        elif len(errors) < _MOST_ERRORS and _is_error(event):
            errors.append(event.seq)
    return Landmarks(content, silence, silence_us, tuple(errors))


def _is_error(event: EventRecord) -> bool:
    is_failed_span = event.event_type == EventType.SPAN_FINISHED and (event.payload or {}).get("status") == "failed"
    return event.event_type in _ERRORS or is_failed_span
