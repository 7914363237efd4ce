"""Traces that run, with the processes that record them, as far as several questions ask for them alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal_column, select

from tracekit import json_text
from tracekit.store.last_rows import LastRows
from tracekit.store.owners import OWNER_COLUMNS, PROCESSES, owner_of
from tracekit.store.question_records import Owner, RunningTrace
from tracekit.store.rows import TRACES
from tracekit.types import EventType

__all__ = ["IS_RUNNING", "RUNNING", "idle_since", "owner", "running_count", "running_trace"]

# Written out and not bound: SQLite uses an index of some rows only where the statement itself names the same rows.
IS_RUNNING = TRACES.c.status == literal_column("'running'")

_NAMES = (
    "trace_id", "name", "method", "path", "session_id", "actor", "model", "environment", "parent_trace_id",
    "started_at", "last_event_at", "frames", "keepalives", "send_blocked_us",
)  # fmt: skip

_OWNER = 2 + len(_NAMES)

RUNNING: Select[Any] = (
    select(TRACES.c.id, TRACES.c.stalled, *(TRACES.c[name] for name in _NAMES), *OWNER_COLUMNS)
    .select_from(TRACES.outerjoin(PROCESSES, PROCESSES.c.process_id == TRACES.c.owner_process_id))
    .where(IS_RUNNING)
)
"""Traces that run, with their owners. Rows are long and many, so their columns are taken by place."""

_COUNT = select(func.count()).select_from(TRACES).where(IS_RUNNING)

_LAST_IDLE = LastRows(
    lambda events: [events.c.timestamp, events.c.payload],
    lambda events: events.c.event_type == EventType.STREAM_IDLE.value,
)


def running_count(connection: Connection) -> int:
    """How many traces run."""
    return int(connection.execute(_COUNT).scalar_one())


def running_trace(row: Row[Any], silent_since: int | None) -> RunningTrace:
    """A row of `RUNNING` as a record."""
    values = (*row[2:_OWNER], silent_since)
    return RunningTrace(*values)


def owner(row: Row[Any], now: int) -> Owner | None:
    """The process in a row of `RUNNING`; None where none was joined."""
    return owner_of(row[_OWNER:], now)


def idle_since(connection: Connection, keys: Collection[int]) -> dict[int, int]:
    """Since when the streams of these stalled traces have said nothing: what their last `stream.idle` tells."""
    return {row.id: row.timestamp - _silence(row.payload) for row in _LAST_IDLE.read(connection, keys)}


def _silence(payload: str | None) -> int:
    try:
        silence = json_text.decode(payload or "{}").get("silence_us", 0)
    except (ValueError, AttributeError):
        return 0
    return silence if isinstance(silence, int) and not isinstance(silence, bool) and 0 <= silence < 1 << 62 else 0
