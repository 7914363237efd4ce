"""What was recorded of one run: its trace, its events, and the rows of its spans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recorders import written
from sqlalchemy import RowMapping, select

from tracekit import Recorder
from tracekit.models import TaskTrace, TaskTraceSpan
from tracekit.store import Database, EventRecord, TraceRecord

TRACES, SPANS = TaskTrace.metadata.tables["task_traces"], TaskTraceSpan.metadata.tables["task_trace_spans"]


@dataclass
class RecordedRun:
    """A run as it is stored."""

    trace: TraceRecord
    events: list[EventRecord]
    spans: list[RowMapping]

    @property
    def types(self) -> list[str]:
        """The types of all events but the first, which tells of the process, and the last, which tells of the end."""
        assert self.events[0].event_type == "process.started"
        assert self.events[-1].event_type == "trace.finished"
        return [event.event_type for event in self.events[1:-1]]

    def payloads(self, *event_types: str) -> list[dict[str, Any]]:
        """The payloads of the events of some types."""
        return [event.payload or {} for event in self.events if event.event_type in event_types]

    def span(self, step_name: str) -> RowMapping:
        """The row of the only span with this name."""
        (found,) = [span for span in self.spans if span["step_name"] == step_name]
        return found

    def tree(self) -> dict[str, str | None]:
        """The name of each span's parent, by its own name. Names have to differ."""
        names = {span["span_id"]: span["step_name"] for span in self.spans}
        assert len(set(names.values())) == len(names)
        return {
            span["step_name"]: names[span["parent_span_id"]] if span["parent_span_id"] else None for span in self.spans
        }


Play = Callable[[Callable[[], Any]], RecordedRun]
"""Runs a function, or a coroutine function, inside a recorded run."""


def span_rows(database: Database, trace_id: str) -> list[RowMapping]:
    """The rows of the spans of a trace, in the order in which they began."""
    statement = (
        select(SPANS)
        .join(TRACES, TRACES.c.id == SPANS.c.trace_key)
        .where(TRACES.c.trace_id == trace_id)
        .order_by(SPANS.c.started_at)
    )
    with database.reading() as connection:
        return list(connection.execute(statement).mappings())


def recorded(recorder: Recorder, trace_id: str | None) -> RecordedRun:
    """A run as it is stored, when all of it is."""
    assert trace_id is not None
    written(recorder)
    store = recorder.store
    return RecordedRun(
        store.get(trace_id), list(store.iterate_events(trace_id)), span_rows(recorder.database, trace_id)
    )
