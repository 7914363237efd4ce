"""What is derived of a trace made anew from its events: the counters and the end in its row, and the rows of its spans.

Events are the truth. Where the rows beside them say something else, after a crash of the machine or a change by hand,
the events are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, delete, select, update

from tracekit import json_text
from tracekit.payload_limit import is_cut
from tracekit.store.batch import SpanRow
from tracekit.store.blocks import unpack
from tracekit.store.engine import Database
from tracekit.store.rows import EVENTS, SPANS, TRACES
from tracekit.store.span_rows import NOT_ENDED, PROCESS_DIED, SPAN_EVENTS, SpanRows, is_own_beat
from tracekit.store.statements import SPAN_COLUMNS, execute_many, placeholder, storable, upsert_span
from tracekit.types import EndReason, EventType, ItemKind

__all__ = ["Rebuilt", "rebuild"]

_TRACES_AT_ONCE = 200

# Closed: nobody holds the trace in memory. Of one whose payloads are deleted the events are gone, and the row is what
# is left.
_NEXT: Select[Any] = (
    select(TRACES.c.id)
    .where(
        TRACES.c.id > bindparam("after", type_=BigInteger),
        TRACES.c.closed.is_(True),
        TRACES.c.payloads_deleted.is_(False),
    )
    .order_by(TRACES.c.id)
    .limit(_TRACES_AT_ONCE)
)
_EVENTS_OF: Select[Any] = (
    select(EVENTS.c.seq, EVENTS.c.event_type, EVENTS.c.timestamp, EVENTS.c.span_id, EVENTS.c.payload, EVENTS.c.frames)
    .where(EVENTS.c.trace_key == bindparam("key", type_=BigInteger))
    .order_by(EVENTS.c.seq)
)
_SPANS_OF: Select[Any] = select(*(SPANS.c[name] for name in SPAN_COLUMNS)).where(
    SPANS.c.trace_key == bindparam("key", type_=BigInteger)
)

_FROM_THE_END = ("status", "end_reason", "reason_code", "duration_ms")
_MEASURED = {"frames": "frames", "keepalives": "keepalives", "bytes": "bytes_seen"}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A trace whose rows did not say what its events say, and now do."""

    trace_id: str
    columns: tuple[str, ...]
    """Columns of the trace that changed."""
    spans: int
    """Rows of spans that were written or removed."""


def rebuild(database: Database) -> Iterator[Rebuilt]:
    """Make all that is derived anew, of each trace that has ended and has its events; the traces that changed.

    A trace at a time, so recording goes on meanwhile. Where events were dropped, what they said of spans is known from
    the spans alone, so those rows stay.

    Raises:
        StoreUnavailable: the database cannot be read or written now.
    """
    after = 0
    while True:
        with database.reading() as connection:
            keys = connection.execute(_NEXT, {"after": after}).scalars().all()
        for key in keys:
            with database.writing() as connection:
                found = _rebuild_one(connection, database, key)
            if found is not None:
                yield found
        if not keys:
            return
        after = keys[-1]


def _rebuild_one(connection: Connection, database: Database, key: int) -> Rebuilt | None:
    row = connection.execute(select(TRACES).where(TRACES.c.id == key).with_for_update()).first()
    if row is None or not row.closed or row.payloads_deleted:
        return None
    counted = _Counted(row)
    for event in connection.execute(_EVENTS_OF, {"key": key}):
        counted.take(event)
    columns = {name: value for name, value in counted.columns().items() if row._mapping[name] != value}
    if columns:
        connection.execute(update(TRACES).where(TRACES.c.id == key).values(columns))
    spans = 0 if counted.dropped else _write_spans(connection, database, key, counted.spans())
    return Rebuilt(row.trace_id, tuple(columns), spans) if columns or spans else None


def _write_spans(connection: Connection, database: Database, key: int, rows: list[SpanRow]) -> int:
    """Bring the rows of spans to what they should be; how many were not."""
    stored = {row.span_id: tuple(row) for row in connection.execute(_SPANS_OF, {"key": key})}
    wanted = {row.span_id: (key, *map(storable, row[1:])) for row in rows}
    changed = [row for span_id, row in wanted.items() if stored.get(span_id) != row]
    execute_many(connection, upsert_span(placeholder(database.dialect)), changed)
    gone = [span_id for span_id in stored if span_id not in wanted]
    for span_id in gone:
        connection.execute(delete(SPANS).where(SPANS.c.trace_key == key, SPANS.c.span_id == span_id))
    return len(changed) + len(gone)


class _Counted:
    """What the events of one trace say, taken in order."""

    def __init__(self, row: Row[Any]) -> None:
        self._spans = SpanRows(row.trace_id)
        self._last_event_at: int = row.started_at
        self._started_at: int = row.started_at
        self._last_seq = self._stored = self._bytes = self._cut = self._frames = self._keepalives = 0
        self.dropped = self._dropped_bytes = 0
        self._tool_calls: set[Any] = set()
        self._end: dict[str, Any] = {}

    def take(self, event: Row[Any]) -> None:
        """One row of events, which holds one or many."""
        if event.frames is not None:
            self._block(event.frames)
        else:
            self._single(event, json_text.decode(event.payload) if event.payload else None)

    def _block(self, frames: bytes) -> None:
        block = unpack(frames)
        self._last_seq = max(self._last_seq, block.last_seq)
        self._stored += len(block)
        self._cut += len(block.cuts)
        self._bytes += sum(block.sizes)
        keepalives = sum(kind == ItemKind.KEEPALIVE for _, kind in block.kinds)
        self._keepalives += keepalives
        self._frames += len(block) - keepalives
        self._last_event_at = max(self._last_event_at, self._started_at + max(block.times()))

    def _single(self, event: Row[Any], payload: Any) -> None:
        self._last_seq = max(self._last_seq, event.seq)
        self._stored += 1
        self._bytes += len(event.payload or "")
        self._cut += is_cut(payload)
        if not is_own_beat(event.event_type, payload):
            self._last_event_at = max(self._last_event_at, event.timestamp)
        if isinstance(payload, dict):
            self._say(event, payload)

    def _say(self, event: Row[Any], payload: dict[str, Any]) -> None:
        kind = event.event_type
        if event.span_id is not None and kind in SPAN_EVENTS:
            self._spans.take(event.timestamp, kind, event.span_id, payload)
        elif kind == EventType.TRACE_TRUNCATED:
            self.dropped += payload.get("events", payload.get("messages", 0))
            self._dropped_bytes += payload.get("bytes", 0)
        elif kind == EventType.TOOL_STARTED:
            self._tool_calls.add(payload.get("id") or event.seq)
        elif kind == EventType.TRACE_FINISHED:
            self._end = payload | {"ended_at": event.timestamp}

    def spans(self) -> list[SpanRow]:
        """The rows of the spans."""
        if self._end:
            died = self._end.get("end_reason") == EndReason.PROCESS_DIED
            self._spans.close(self._end["ended_at"], PROCESS_DIED if died else NOT_ENDED)
        return self._spans.changed()

    def columns(self) -> dict[str, Any]:
        """The columns of the trace."""
        measured = {"frames": self._frames, "keepalives": self._keepalives}
        measured |= {column: self._end[name] for name, column in _MEASURED.items() if name in self._end}
        ended = {name: self._end.get(name) for name in (*_FROM_THE_END, "ended_at")} if self._end else {}
        return {
            "last_seq": self._last_seq,
            "last_event_at": self._last_event_at,
            "events_seen": self._stored + self.dropped,
            "events_stored": self._stored,
            "events_dropped": self.dropped,
            "bytes_stored": self._bytes,
            "bytes_dropped": self._dropped_bytes,
            "payloads_cut": self._cut,
            "tool_calls": len(self._tool_calls),
            **measured,
            **ended,
        }
