"""A window on the events of a trace: single rows and packed blocks as one sequence in order of seq.

A window asks for numbers, not for rows, and is read by one statement, so of one moment. What the writer does between
two windows (it merges blocks when a trace ends) can therefore not make an event be missed or come twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Executable,
    bindparam,
    func,
    null,
    select,
    union_all,
)

from tracekit.store.blocks import Block, unpack
from tracekit.store.records import EventRecord
from tracekit.store.rows import EVENTS, GREATEST_INTEGER, TraceHead, decoded_object
from tracekit.types import Cut, EventType, ItemKind

__all__ = ["PACKED_TYPES", "Window", "read_singles", "read_window"]

_FRAME, _KEEPALIVE = EventType.STREAM_FRAME.value, EventType.STREAM_KEEPALIVE.value
_PARTIAL = {"partial": True}

PACKED_TYPES = frozenset({_FRAME, _KEEPALIVE})
"""The types of the events that stand in blocks."""


class Window(NamedTuple):
    """The events with since < seq <= until, of the types that were asked for."""

    events: list[EventRecord]
    until: int
    more: bool
    """Whether anything is stored after `until`."""
    weight: int
    """Bytes of frames and payloads that were read."""


class _Row(NamedTuple):
    seq: int
    last_seq: int | None
    """None in the row that tells the first number after a window."""
    event_type: str
    timestamp: int
    span_id: str | None
    phase: str | None
    payload: str | None
    frames: bytes | None


_E = EVENTS.c
_COLUMNS = [_E[name] for name in _Row._fields]
_KEY, _SINCE, _UNTIL, _LIMIT = (bindparam(name, type_=BigInteger) for name in ("key", "since", "until", "limit"))
_OF_TRACE = _E.trace_key == _KEY


def _numbers_statement() -> CompoundSelect[Any]:
    """Three parts: the block that began before the window and reaches into it, the rows that begin in the window,
    and the first number after it."""
    before = select(func.max(_E.seq)).where(_OF_TRACE, _E.seq <= _SINCE, _E.frames.is_not(None)).scalar_subquery()
    reaching_in = select(*_COLUMNS).where(_OF_TRACE, _E.seq == before, _E.last_seq > _SINCE)
    beginning = select(*_COLUMNS).where(_OF_TRACE, _E.seq > _SINCE, _E.seq <= _UNTIL)
    after = select(func.min(_E.seq)).where(_OF_TRACE, _E.seq > _UNTIL).scalar_subquery()
    return union_all(reaching_in, beginning, select(after, *(null().label(column.name) for column in _COLUMNS[1:])))


_NUMBERS = _numbers_statement()
_ALL_SINGLES = select(*_COLUMNS).where(_OF_TRACE, _E.seq > _SINCE, _E.frames.is_(None)).order_by(_E.seq).limit(_LIMIT)
_SINGLES = _ALL_SINGLES.where(_E.event_type.in_(bindparam("types", expanding=True)))


def read_window(
    connection: Connection, head: TraceHead, since: int, width: int, types: Collection[str] | None = None
) -> Window:
    """The events that follow `since`: those with the next `width` numbers; or, where only types are asked for that
    are never packed, the next `width` of them."""
    if types is not None and PACKED_TYPES.isdisjoint(types):
        return _singles(connection, head, since, width, types)
    window = _numbers(connection, head, since, min(since + width, GREATEST_INTEGER))
    if types is None:
        return window
    return window._replace(events=[event for event in window.events if event.event_type in types])


def _singles(connection: Connection, head: TraceHead, since: int, count: int, types: Collection[str]) -> Window:
    parameters = {"key": head.key, "since": since, "limit": count, "types": sorted(types)}
    return _window_of_singles(_fetched(connection, _SINGLES, parameters), head, since, count)


def read_singles(
    connection: Connection, head: TraceHead, since: int, count: int, *conditions: ColumnElement[bool]
) -> Window:
    """The next `count` events after `since` that are no frames and meet conditions on `EVENTS`, in which the parameter
    `key` is the trace."""
    parameters = {"key": head.key, "since": since, "limit": count}
    rows = _fetched(connection, _ALL_SINGLES.where(*conditions), parameters)
    return _window_of_singles(rows, head, since, count)


def _window_of_singles(rows: Sequence[_Row], head: TraceHead, since: int, count: int) -> Window:
    until = rows[-1].seq if rows else since
    weight = sum([len(row.payload or "") for row in rows])
    return Window([_single(row, head.started_at) for row in rows], until, len(rows) == count, weight)


def _numbers(connection: Connection, head: TraceHead, since: int, until: int) -> Window:
    events: list[EventRecord] = []
    following: int | None = None
    reaching_out = False
    weight = 0
    for row in _fetched(connection, _NUMBERS, {"key": head.key, "since": since, "until": until}):
        weight += len(row.frames or row.payload or "")
        if row.last_seq is None:
            following = row.seq
        elif row.frames is None:
            events.append(_single(row, head.started_at))
        else:
            events += _packed(row, head.started_at, since, until)
            reaching_out = reaching_out or row.last_seq > until
    events.sort(key=attrgetter("seq"))
    if following is not None and not reaching_out:
        until = max(until, following - 1)
    return Window(events, until, reaching_out or following is not None, weight)


def _fetched(connection: Connection, statement: Executable, parameters: dict[str, Any]) -> list[_Row]:
    return list(map(_Row._make, connection.execute(statement, parameters)))


def _single(row: _Row, started_at: int) -> EventRecord:
    seq, _, event_type, timestamp, span_id, phase, payload, _ = row
    decoded = decoded_object(payload)
    return EventRecord(seq, event_type, timestamp, timestamp - started_at, span_id, phase, decoded)


def _packed(row: _Row, started_at: int, since: int, until: int) -> Sequence[EventRecord]:
    """The frames of a block with since < seq <= until. A block that cannot be read is one event that says so."""
    try:
        block = unpack(row.frames or b"")
    except ValueError as error:
        damage = {"damaged": str(error), "last_seq": row.last_seq}
        event = EventRecord(row.seq, row.event_type, row.timestamp, row.timestamp - started_at, payload=damage)
        return [event] if since < row.seq else []
    seqs = block.seqs()
    return _frames(block, started_at, bisect_right(seqs, since), bisect_right(seqs, until), row)


def _frames(block: Block, started_at: int, first: int, stop: int, row: _Row) -> list[EventRecord]:
    span_id, phase = row.span_id, row.phase
    columns = zip(block.seqs()[first:stop], block.times()[first:stop], block.raws(first, stop), strict=True)
    events = [
        EventRecord(seq, _FRAME, started_at + offset, offset, span_id, phase, None, raw) for seq, offset, raw in columns
    ]
    for i, kind in block.kinds:
        if first <= i < stop:
            event = events[i - first]
            payload = _PARTIAL if kind == ItemKind.PARTIAL else None
            events[i - first] = replace(event, event_type=ItemKind(kind).event_type.value, payload=payload)
    for i, length, sha256 in block.cuts:
        if first <= i < stop:
            events[i - first] = replace(events[i - first], cut=Cut(length, sha256))
    return events
