"""The text export: what happened, for a person who reads it in a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from tracekit.conversation import TOOL_EVENTS, RecordedCalls
from tracekit.exporting import ExportOptions
from tracekit.human_units import counted
from tracekit.store.records import TraceRecord
from tracekit.store.traces import TraceStore
from tracekit.types import EventType
from tracekit_exporters.conversation import conversation
from tracekit_exporters.describe import loss_cause
from tracekit_exporters.errors import ERROR_EVENTS, errors
from tracekit_exporters.header import header, losses
from tracekit_exporters.key_events import key_events
from tracekit_exporters.layout import WIDTH, heading
from tracekit_exporters.timeline import timeline

__all__ = ["write_txt"]

_LINES_PER_PIECE = 200
_MOST_CAUSES = 5

_FRAME_NOTES = {
    "none": "frames left out",
    "summary": "runs of frames folded",
    "full": "every frame",
}


def write_txt(store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
    """The document, piece by piece. The events are read three times over rather than held.

    Raises:
        NotFound: no trace has this id.
    """
    trace = store.get(trace_id)
    lines = _lines(store, trace, options)
    while piece := list(islice(lines, _LINES_PER_PIECE)):
        yield ("\n".join(piece) + "\n").encode()


def _lines(store: TraceStore, trace: TraceRecord, options: ExportOptions) -> Iterator[str]:
    yield from header(trace, losses(trace, _causes(store, trace)))
    yield from heading("SUMMARY", "times from the start")
    yield from key_events(trace, store.iterate_events(trace.trace_id))
    yield from heading("CONVERSATION")
    calls = RecordedCalls.of(store.iterate_events(trace.trace_id, types=TOOL_EVENTS))
    yield from conversation(trace, store.texts(trace.trace_id), calls)
    yield from errors(store.iterate_events(trace.trace_id, types=ERROR_EVENTS))
    yield from heading("TIMELINE", f"{_FRAME_NOTES[options.frames]}, times from the start")
    yield from timeline(trace, store.iterate_events(trace.trace_id), options.frames)
    yield ""
    yield f"END OF TRACE {trace.trace_id}: {counted(trace.events_stored, 'event')} stored"
    yield "═" * WIDTH


def _causes(store: TraceStore, trace: TraceRecord) -> Iterable[str]:
    """Why something was not stored, in the words of the events that tell of it."""
    if not trace.events_dropped and not trace.bytes_dropped:
        return []
    truncations = store.iterate_events(trace.trace_id, types=[EventType.TRACE_TRUNCATED])
    causes = (loss_cause(event.payload or {}) for event in islice(truncations, _MOST_CAUSES))
    return list(dict.fromkeys(cause for cause in causes if cause))
