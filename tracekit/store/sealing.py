"""The many rows of frames of a trace that was written while it ran, merged into few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from tracekit.models import TaskTraceEvent
from tracekit.store.blocks import Block, merge, pack, unpack
from tracekit.store.engine import Database

__all__ = ["seal"]

_Row = Row[Any, Any, Any, Any]

_EVENTS = TaskTraceEvent.metadata.tables["task_trace_events"]

# A merged block is read as a whole, so it stays as small as those written at once.
_MOST_FRAMES = 256
_MOST_BYTES = 256 * 1024

# Rows merged in one transaction, so that none holds the database for long.
_ROWS_AT_ONCE = 128


def seal(database: Database, trace_key: int) -> int:
    """Merge the rows of frames that are not sealed yet; how many rows there are fewer.

    Each step replaces some rows by their merger in one transaction, so a reader sees the same events before and
    after, and a crash between steps leaves a trace that is whole.

    Raises:
        StoreUnavailable: the database cannot be written now. What is merged so far stays merged.
    """
    saved = 0
    while True:
        with database.writing() as connection:
            rows = _unsealed(connection, trace_key)
            if not rows:
                return saved
            saved += _merge_rows(connection, trace_key, rows)


def _unsealed(connection: Connection, trace_key: int) -> Sequence[_Row]:
    found = connection.execute(
        select(_EVENTS.c.seq, _EVENTS.c.last_seq, _EVENTS.c.timestamp, _EVENTS.c.frames)
        .where(_EVENTS.c.trace_key == trace_key, _EVENTS.c.sealed.is_(False), _EVENTS.c.frames.is_not(None))
        .order_by(_EVENTS.c.seq)
        .limit(_ROWS_AT_ONCE)
    )
    return found.all()


def _merge_rows(connection: Connection, trace_key: int, rows: Sequence[_Row]) -> int:
    groups = _groups([(row, unpack(row.frames)) for row in rows])
    for group in groups:
        first, *others = [row for row, _ in group]
        changes: dict[str, Any] = {"sealed": True}
        if others:
            connection.execute(
                delete(_EVENTS).where(_EVENTS.c.trace_key == trace_key, _EVENTS.c.seq.in_([row.seq for row in others]))
            )
            changes |= {"last_seq": others[-1].last_seq, "frames": pack(merge([block for _, block in group]))}
        connection.execute(
            update(_EVENTS).where(_EVENTS.c.trace_key == trace_key, _EVENTS.c.seq == first.seq).values(**changes)
        )
    return len(rows) - len(groups)


def _groups(blocks: list[tuple[_Row, Block]]) -> list[list[tuple[_Row, Block]]]:
    """Neighbours that together stay within the size of a block."""
    groups: list[list[tuple[_Row, Block]]] = []
    frames = size = 0
    for row, block in blocks:
        frames, size = frames + len(block), size + len(block.data)
        if not groups or frames > _MOST_FRAMES or size > _MOST_BYTES:
            groups.append([])
            frames, size = len(block), len(block.data)
        groups[-1].append((row, block))
    return groups
