"""Traces written straight into the tables, for tests of reading: no recorder, and any shape that one could leave."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from tracekit import json_text
from tracekit.ids import new_id
from tracekit.models import TaskTrace, TaskTraceEvent, TaskTraceSpan, TaskTraceText
from tracekit.store import Database, EventRecord
from tracekit.store.blocks import Block, Item, Message, pack
from tracekit.types import Cut, ItemKind

TRACES, EVENTS, TEXTS, SPANS = (model.__table__ for model in (TaskTrace, TaskTraceEvent, TaskTraceText, TaskTraceSpan))

START = 1_700_000_000_000_000
"""When the traces of the tests start, microseconds UTC."""

STEP = 20_000
"""Microseconds between two events."""


class Frame(NamedTuple):
    """A frame that is not plain; plain ones are given as bytes."""

    raw: bytes
    kind: ItemKind = ItemKind.FRAME
    cut: Cut | None = None


class Single(NamedTuple):
    """An event with a row of its own."""

    event_type: str
    payload: Mapping[str, Any] | None = None


Moment = bytes | Frame | Single


def frames(count: int) -> list[Moment]:
    """Plain frames that can be told apart."""
    return [b"data: %d\n\n" % number for number in range(1, count + 1)]


def mixed(count: int) -> list[Moment]:
    """Frames, keepalives and other events in turn, in runs of different lengths."""
    moments: list[Moment] = []
    for number in range(1, count + 1):
        if number % 7 in (3, 4, 5):
            moments.append(Single("log", {"n": number}))
        elif number % 11 == 0:
            moments.append(Frame(b": ping %d\n\n" % number, ItemKind.KEEPALIVE))
        else:
            moments.append(b"data: %d\n\n" % number)
    return moments


def number_of(record: EventRecord) -> int:
    """The number that `frames` and `mixed` wrote into an event."""
    if record.raw is None:
        assert record.payload is not None
        return int(record.payload["n"])
    return int(record.raw.split()[-1])


def write_trace(
    database: Database,
    timeline: Iterable[Moment] = (),
    *,
    frames_per_block: int = 4,
    messages: Sequence[Sequence[Message] | None] = (),
    wires: Sequence[bytes] = (),
    texts: Mapping[str, str] | None = None,
    **columns: Any,
) -> str:
    """A trace whose events are the timeline, numbered from 1; answers its id.

    Frames are packed `frames_per_block` to a block however many other events stand between them. `messages` and
    `wires` are those of the first blocks; the others have none of their own.
    """
    moments = list(timeline)
    items = _items(moments)
    head = trace_row(moments, items, columns)
    with database.writing() as connection:
        key = _insert_trace(connection, head)
        write_blocks(connection, key, items, frames_per_block, messages, wires)
        _insert_singles(connection, key, head["started_at"], moments)
        for kind, text in (texts or {}).items():
            row = {"trace_key": key, "kind": kind, "text": text, "folded": text.casefold()}
            connection.execute(insert(TEXTS), row)
    return str(head["trace_id"])


def trace_row(moments: Sequence[Moment], items: Sequence[Item], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `task_traces` for a timeline, with some columns as given."""
    count = len(moments)
    keepalives = sum(item.kind is ItemKind.KEEPALIVE for item in items)
    row = {
        "trace_id": new_id(),
        "status": "completed",
        "end_reason": "completed",
        "enabled_by": "request",
        "environment": "dev",
        "owner_process_id": "0" * 32,
        "started_at": START,
        "frames": len(items) - keepalives,
        "keepalives": keepalives,
        "events_seen": count,
        "events_stored": count,
        "bytes_stored": sum(len(item.raw) for item in items),
        "payloads_cut": sum(item.cut is not None for item in items),
        "last_seq": count,
    } | columns
    row.setdefault("last_event_at", row["started_at"] + count * STEP)
    return row


def write_blocks(
    connection: Connection,
    key: int,
    items: Sequence[Item],
    frames_per_block: int,
    messages: Sequence[Sequence[Message] | None] = (),
    wires: Sequence[bytes] = (),
) -> None:
    """The frames as blocks, in place of those that are there."""
    connection.execute(delete(EVENTS).where(EVENTS.c.trace_key == key, EVENTS.c.frames.is_not(None)))
    parts = [items[start : start + frames_per_block] for start in range(0, len(items), frames_per_block)]
    for part, sent, wire in zip_longest(parts, messages, wires):
        block = Block.of(part, sent, wire)
        row = {
            "trace_key": key,
            "seq": part[0].seq,
            "last_seq": part[-1].seq,
            "event_type": "stream.frame",
            "timestamp": START + part[0].offset_us,
            "frames": pack(block),
        }
        connection.execute(insert(EVENTS), row)


def reseal(database: Database, trace_id: str, timeline: Iterable[Moment], frames_per_block: int) -> None:
    """Pack the frames of a trace anew, as the writer does when it merges blocks."""
    with database.writing() as connection:
        key = connection.execute(select(TRACES.c.id).where(TRACES.c.trace_id == trace_id)).scalar_one()
        write_blocks(connection, key, _items(list(timeline)), frames_per_block)


def change_trace(database: Database, trace_id: str, **columns: Any) -> None:
    """Set columns of a trace."""
    with database.writing() as connection:
        connection.execute(update(TRACES).where(TRACES.c.trace_id == trace_id).values(**columns))


def write_span(database: Database, trace_id: str, **columns: Any) -> None:
    """A finished span of a trace."""
    with database.writing() as connection:
        key = connection.execute(select(TRACES.c.id).where(TRACES.c.trace_id == trace_id)).scalar_one()
        span = {"trace_key": key, "span_id": "1" * 16, "step_name": "fetch", "status": "success", "started_at": START}
        connection.execute(insert(SPANS), span | columns)


def stored_rows(database: Database) -> dict[str, int]:
    """How many rows each table of traces has."""
    with database.reading() as connection:
        return {table.name: len(connection.execute(select(table)).all()) for table in (TRACES, EVENTS, TEXTS, SPANS)}


def cut_frame(whole: bytes, kept: int) -> Frame:
    """A frame of which only the beginning is stored."""
    return Frame(whole[:kept], cut=Cut(len(whole), hashlib.sha256(whole).hexdigest()))


def _items(moments: Sequence[Moment]) -> list[Item]:
    items = []
    for seq, moment in enumerate(moments, 1):
        if isinstance(moment, bytes):
            items.append(Item(seq, seq * STEP, ItemKind.FRAME, moment))
        elif isinstance(moment, Frame):
            items.append(Item(seq, seq * STEP, moment.kind, moment.raw, moment.cut))
    return items


def _insert_trace(connection: Connection, row: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(TRACES).returning(TRACES.c.id), row).scalar_one())


def _insert_singles(connection: Connection, key: int, started_at: int, moments: Sequence[Moment]) -> None:
    rows = [
        {
            "trace_key": key,
            "seq": seq,
            "last_seq": seq,
            "event_type": moment.event_type,
            "timestamp": started_at + seq * STEP,
            "payload": None if moment.payload is None else json_text.encode(moment.payload),
        }
        for seq, moment in enumerate(moments, 1)
        if isinstance(moment, Single)
    ]
    if rows:
        connection.execute(insert(EVENTS), rows)
