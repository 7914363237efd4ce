"""Where the time of a trace went: spans, tool calls, first times and silences as bars on one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tracekit.conversation import TOOL_EVENTS, RecordedCalls
from tracekit.store import TraceRecord, TraceStore
from tracekit.store.tree_records import SpanNode

__all__ = ["Waterfall", "waterfall"]

_MOST_SPANS = 1000
_MOST_EVENTS = 2000
_SILENCES = ["stream.idle", "stream.resumed"]


@dataclass(frozen=True, slots=True)
class Row:
    """One bar. Times are microseconds from the start of the trace; `end_us` is None while it goes on."""

    kind: str
    label: str
    start_us: int
    end_us: int | None
    depth: int = 0
    status: str = ""
    detail: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars, in order, and the length of the axis."""

    rows: list[dict[str, object]]
    end_us: int
    left_out: int
    running: bool


def waterfall(store: TraceStore, trace: TraceRecord) -> Waterfall:
    """The bars of a trace: its stream first, then spans as their tree has them, then tool calls and silences."""
    spans = store.spans(trace.trace_id, limit=_MOST_SPANS)
    events = store.events(trace.trace_id, limit=_MOST_EVENTS, types=[*sorted(TOOL_EVENTS), *_SILENCES])
    rows = [
        *_stream(trace),
        *(_span(trace, node) for node in spans.items),
        *_tools(RecordedCalls.of(events.events)),
        *_quiet(events.events),
    ]
    last = max((row.end_us or row.start_us for row in rows), default=0)
    end = max(last, (trace.ended_at or trace.last_event_at) - trace.started_at, 1)
    left_out = spans.total - len(spans.items) + events.has_more
    return Waterfall([asdict(row) for row in rows], end, left_out, trace.ended_at is None)


def _stream(trace: TraceRecord) -> Iterator[Row]:
    ended = None if trace.ended_at is None else trace.ended_at - trace.started_at
    yield Row("trace", trace.name or trace.path or trace.trace_id, 0, ended, status=trace.status)
    firsts = {
        "first_byte": trace.first_byte_us,
        "first_frame": trace.first_frame_us,
        "first_content": trace.first_content_us,
        "first_delivered": trace.first_delivered_us,
    }
    for name, at in firsts.items():
        if at is not None:
            yield Row("moment", name, at, at, depth=1)


def _span(trace: TraceRecord, node: SpanNode) -> Row:
    return Row(
        "span",
        node.step_name,
        node.started_at - trace.started_at,
        None if node.ended_at is None else node.ended_at - trace.started_at,
        depth=node.depth + 1,
        status=node.status,
        detail=" · ".join(filter(None, (node.layer, node.kind, node.reason_code, node.error_preview))),
        id=node.span_id,
    )


def _tools(calls: RecordedCalls) -> Iterator[Row]:
    for call in calls.calls:
        end = None if call.duration_us is None else call.offset_us + call.duration_us
        status = "failed" if call.error else "success" if call.ended else "running"
        detail = call.error or call.arguments or ""
        yield Row("tool", call.name or "?", call.offset_us, end, depth=1, status=status, detail=detail[:300])


def _quiet(events: object) -> Iterator[Row]:
    """Silences over the idle limit: from the frame before to the one that ended it."""
    for event in events:  # type: ignore[attr-defined]
        silence = (event.payload or {}).get("silence_us")
        if event.event_type == "stream.resumed" and isinstance(silence, int):
            yield Row("silence", "silence", event.offset_us - silence, event.offset_us, depth=1)
