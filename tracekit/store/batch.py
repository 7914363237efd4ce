"""What the writer hands to the store: rows that are complete, and harmless to write twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["MOST_TEXT", "Batch", "EventRow", "SpanRow", "TextRow"]

MOST_TEXT = 1024 * 1024
"""Most characters kept of a prompt, an answer or a reasoning as text; the frames hold all of it."""


class EventRow(NamedTuple):
    """A row of `task_trace_events`, by trace id instead of the database's key."""

    trace_id: str
    seq: int
    last_seq: int
    event_type: str
    timestamp: int
    payload: str | None = None
    frames: bytes | None = None
    sealed: bool = False
    span_id: str | None = None
    phase: str | None = None
    events: int = 1
    """How many events the row holds."""


class TextRow(NamedTuple):
    """A row of `task_trace_texts`."""

    trace_id: str
    kind: str
    text: str


class SpanRow(NamedTuple):
    """A row of `task_trace_spans` as it is now; written again, it replaces what was there."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    layer: str | None
    step_name: str
    kind: str | None
    status: str
    reason_code: str | None
    started_at: int
    ended_at: int | None
    heartbeat_at: int | None
    input_summary: str | None
    output_summary: str | None
    error: str | None
    artifacts: str | None


@dataclass(slots=True)
class Batch:
    """Rows of many traces that go into the database in one transaction."""

    new: list[dict[str, Any]] = field(default_factory=list)
    """Traces that are not in the database yet: all columns."""
    changed: list[dict[str, Any]] = field(default_factory=list)
    """Traces that are: all columns again, of which those that can change are written."""
    events: list[EventRow] = field(default_factory=list)
    texts: list[TextRow] = field(default_factory=list)
    spans: list[SpanRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self._parts())

    def _parts(self) -> list[Batch]:
        """What hangs on the traces, a kind at a time."""
        parts = Batch(events=self.events), Batch(texts=self.texts), Batch(spans=self.spans)
        return [part for part in parts if part.events or part.texts or part.spans]

    def trace_ids(self) -> list[str]:
        """The traces that have rows here, in order."""
        named = [row["trace_id"] for row in (*self.new, *self.changed)]
        named += [row.trace_id for row in self.events]
        named += [row.trace_id for row in self.texts]
        named += [row.trace_id for row in self.spans]
        return list(dict.fromkeys(named))

    def halves(self) -> list[Batch]:
        """This batch in smaller ones that may be written one after the other; empty if it cannot be divided.

        It is divided between traces while there are several, then the trace's own row is parted from what hangs on
        it, then each kind is halved: so one bad row is found in a logarithmic number of tries.
        """
        traces = self.trace_ids()
        if len(traces) > 1:
            first = set(traces[: len(traces) // 2])
            return [self._of(first), self._of(set(traces) - first)]
        parts = self._parts()
        if parts and (self.new or self.changed):
            return [Batch(self.new, self.changed), *parts]
        return parts if len(parts) > 1 else self._halved()

    def _halved(self) -> list[Batch]:
        rows = max(len(self.events), len(self.texts), len(self.spans))
        if rows < 2:
            return []
        first, second = slice(0, rows // 2), slice(rows // 2, rows)
        return [
            Batch(events=self.events[part], texts=self.texts[part], spans=self.spans[part]) for part in (first, second)
        ]

    def _of(self, traces: set[str]) -> Batch:
        return Batch(
            [row for row in self.new if row["trace_id"] in traces],
            [row for row in self.changed if row["trace_id"] in traces],
            [row for row in self.events if row.trace_id in traces],
            [row for row in self.texts if row.trace_id in traces],
            [row for row in self.spans if row.trace_id in traces],
        )
