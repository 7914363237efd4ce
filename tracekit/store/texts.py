"""What a trace says, as text, and how it stands at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, select

from tracekit.errors import NotFound
from tracekit.store.batch import MOST_TEXT
from tracekit.store.engine import Database
from tracekit.store.events import EventReader, latest_events
from tracekit.store.records import EventRecord, OpenToolCall, Snapshot, Texts, TraceRecord
from tracekit.store.rows import (
    EVENTS,
    TEXTS,
    TRACE_COLUMNS,
    TRACES,
    find_head,
    plain_id,
    trace_record,
)
from tracekit.store.windows import read_window
from tracekit.types import EventType, was_seen_to_end

__all__ = ["ReadFrames", "TextReader", "find_trace"]

_LAST_EVENTS = 50

# A snapshot is for people; a trace with more calls than this is read event by event.
_MOST_TOOL_EVENTS = 10_000

_BY_ID = select(*TRACE_COLUMNS).where(TRACES.c.trace_id == bindparam("trace_id"))

_READ_TYPES = frozenset(
    {
        EventType.REQUEST_RECEIVED,
        EventType.RESPONSE_STARTED,
        EventType.STREAM_FRAME,
        EventType.TRACE_FINISHED,
    }
)

_TOOL_TYPES = frozenset({EventType.TOOL_STARTED, EventType.TOOL_FINISHED, EventType.TOOL_FAILED})


def find_trace(connection: Connection, trace_id: str) -> TraceRecord:
    """A trace by its id.

    Raises:
        NotFound: no trace has this id.
    """
    row = connection.execute(_BY_ID, {"trace_id": plain_id(trace_id)}).first()
    if row is None:
        raise NotFound(f"no trace has the id {trace_id}")
    return trace_record(row)


ReadFrames = Callable[[str | None, Iterable[EventRecord]], Texts]
"""Reads answer and reasoning from the events of a trace; its framing comes first."""


class TextReader:
    """Texts and snapshots of the traces in one database."""

    def __init__(self, database: Database, events: EventReader, read_frames: ReadFrames | None) -> None:
        self._database = database
        self._events = events
        self._read_frames = read_frames

    def texts(self, trace_id: str) -> Texts:
        """What a trace says until now. Raises NotFound."""
        with self._database.reading() as connection:
            trace = find_trace(connection, trace_id)
            stored = _texts(connection, find_head(connection, trace_id).key)
        return self._until_now(trace, stored)

    def _until_now(self, trace: TraceRecord, stored: Texts) -> Texts:
        """The texts of an ended trace are stored. Those of one that runs, or whose process died, are in its frames;
        without somebody who reads those, all that is known is how the answer begins."""
        if stored.answer or stored.reasoning:
            return replace(stored, whole=max(len(stored.answer), len(stored.reasoning)) < MOST_TEXT)
        if not trace.frames or was_seen_to_end(trace.end_reason):
            return stored
        if self._read_frames is None:
            return replace(stored, answer=trace.answer_preview or "", whole=trace.answer_preview is None)
        read = self._read_frames(trace.framing, self._events.iterate(trace.trace_id, 0, _READ_TYPES))
        return replace(read, prompt=stored.prompt)

    def snapshot(self, trace_id: str) -> Snapshot:
        """A trace at this moment. Raises NotFound."""
        with self._database.reading() as connection:
            trace, head = find_trace(connection, trace_id), find_head(connection, trace_id)
            calls = read_window(connection, head, 0, _MOST_TOOL_EVENTS, _TOOL_TYPES).events
            snapshot = Snapshot(
                trace=trace,
                texts=_texts(connection, head.key),
                open_tool_calls=_open_calls(calls),
                last_events=latest_events(connection, head, _LAST_EVENTS),
                event_counts=_counts(connection, head.key, trace),
            )
        return replace(snapshot, texts=self._until_now(trace, snapshot.texts))


def _texts(connection: Connection, key: int) -> Texts:
    rows = connection.execute(select(TEXTS.c.kind, TEXTS.c.text).where(TEXTS.c.trace_key == key)).all()
    said = {row.kind: row.text for row in rows}
    return Texts(*(said.get(kind, "") for kind in ("prompt", "answer", "reasoning")))


def _counts(connection: Connection, key: int, trace: TraceRecord) -> dict[str, int]:
    statement = (
        select(EVENTS.c.event_type, func.count().label("events"))
        .where(EVENTS.c.trace_key == key, EVENTS.c.frames.is_(None))
        .group_by(EVENTS.c.event_type)
    )
    counts = {row.event_type: int(row.events) for row in connection.execute(statement)}
    packed = {EventType.STREAM_FRAME.value: trace.frames, EventType.STREAM_KEEPALIVE.value: trace.keepalives}
    return {**counts, **{event_type: count for event_type, count in packed.items() if count}}


def _open_calls(events: Sequence[EventRecord]) -> list[OpenToolCall]:
    """The calls without an end. A call is known by its id, or by its name where the stream gives none."""
    calls: dict[str | None, OpenToolCall] = {}
    for event in events:
        id, name = (_text(event, field) for field in ("id", "name"))
        key = id or name
        if event.event_type == EventType.TOOL_STARTED:
            calls.setdefault(key, OpenToolCall(event.seq, event.offset_us, id, name))
        else:
            calls.pop(key, None)
    return list(calls.values())


def _text(event: EventRecord, field: str) -> str | None:
    value = (event.payload or {}).get(field)
    return value if isinstance(value, str) and value else None
