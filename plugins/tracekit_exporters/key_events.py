"""The summary of the text export: the few moments that tell how a stream went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

from tracekit.human_units import counted
from tracekit.store.records import EventRecord, TraceRecord
from tracekit.types import EventType
from tracekit_exporters.describe import describe
from tracekit_exporters.silence import SilenceWatch
from tracekit_exporters.timeline import Columns

__all__ = ["key_events"]

# The section is to be read at a glance; a trace that raises more is read in its timeline.
_MOST_LINES = 100

_LABELS: dict[str, str] = {
    EventType.RESPONSE_STARTED: "response started",
    EventType.STREAM_ERROR: "error in the stream",
    EventType.STREAM_IDLE: "stalled",
    EventType.TOOL_STARTED: "tool call begins",
    EventType.TOOL_FINISHED: "tool call done",
    EventType.TOOL_FAILED: "tool call failed",
    EventType.RETRY: "retry",
    EventType.ERROR: "error",
    EventType.CLIENT_DISCONNECTED: "client left",
    EventType.TRACE_TRUNCATED: "not stored",
    EventType.TRACE_FINISHED: "ended",
}

Moment = tuple[int, str]


def key_events(trace: TraceRecord, events: Iterable[EventRecord]) -> Iterator[str]:
    """The lines of the summary, in order of time and in constant memory."""
    columns = Columns(trace)
    moments = merge(_first_times(trace), _moments(trace, events), key=lambda moment: moment[0])
    for offset_us, what in islice(moments, _MOST_LINES):
        yield columns.moment(offset_us, what)
    if more := sum(1 for _ in moments):
        yield f"… and {counted(more, 'more moment')}: see the timeline"


def _first_times(trace: TraceRecord) -> list[Moment]:
    times = {
        "first byte": trace.first_byte_us,
        "first frame": trace.first_frame_us,
        "first content": trace.first_content_us,
        "first frame delivered": trace.first_delivered_us,
    }
    together: dict[int, list[str]] = {}
    for what, offset in times.items():
        if offset is not None:
            together.setdefault(offset, []).append(what)
    return sorted((offset, ", ".join(names)) for offset, names in together.items())


def _moments(trace: TraceRecord, events: Iterable[EventRecord]) -> Iterator[Moment]:
    watch = SilenceWatch(streams=trace.frames > 0)
    for event in events:
        silence = watch.see(event)
        if silence:
            yield event.offset_us, f"end of {silence}"
        label = _LABELS.get(event.event_type)
        if label is not None:
            said = describe(event)
            yield event.offset_us, f"{label}: {said}" if said else label
        elif event.cut is not None and event.cut.sha256 is not None:
            yield event.offset_us, f"frame {event.seq} cut: {describe(event, trace.framing).strip()}"
