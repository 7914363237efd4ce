"""What runs now: every running trace with its health and the step it is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam

from tracekit.errors import InvalidInput
from tracekit.store.engine import Database
from tracekit.store.glimpses import LastEvents, Latest, last_events
from tracekit.store.open_steps import NO_STEPS, OpenSteps, deepest, open_steps
from tracekit.store.owners import DEAD, DEAD_AFTER_US
from tracekit.store.question_records import ActiveTrace, ActiveTraces, Owner, TraceHealth
from tracekit.store.rows import TRACES
from tracekit.store.running import RUNNING, idle_since, owner, running_count, running_trace
from tracekit.types import EventType

__all__ = ["MOST_ACTIVE", "ActivityReader"]

MOST_ACTIVE = 500

# A stream that pauses for a breath still moves.
_SILENT_AFTER_US = 5_000_000

_IN_TROUBLE_FIRST = RUNNING.order_by(DEAD.desc(), TRACES.c.stalled.desc(), TRACES.c.last_event_at, TRACES.c.id).limit(
    bindparam("limit", type_=BigInteger)
)


class ActivityReader:
    """Reads what runs in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self, limit: int, idle_timeout_ms: int, now: int) -> ActiveTraces:
        """The running traces at the moment `now`, those in trouble first. Raises InvalidInput."""
        if not 1 <= limit <= MOST_ACTIVE:
            raise InvalidInput(f"limit: between 1 and {MOST_ACTIVE}", field="limit")
        parameters = {"dead_before": now - DEAD_AFTER_US, "limit": limit}
        with self._database.reading() as connection:
            rows = connection.execute(_IN_TROUBLE_FIRST, parameters).all()
            items = _described(connection, rows, idle_timeout_ms * 1000, now)
            total = running_count(connection) if len(rows) == limit else len(rows)
        return ActiveTraces(items, total, idle_timeout_ms)


def _described(connection: Connection, rows: Sequence[Row[Any]], idle_us: int, now: int) -> list[ActiveTrace]:
    keys = [row.id for row in rows]
    latest, steps = last_events(connection, keys), open_steps(connection, keys)
    silent = idle_since(connection, [row.id for row in rows if row.stalled])
    return [
        _active(row, latest[row.id], steps.get(row.id, NO_STEPS), silent.get(row.id), idle_us=idle_us, now=now)
        for row in rows
    ]


def _active(
    row: Row[Any], latest: LastEvents, steps: OpenSteps, silent_since: int | None, *, idle_us: int, now: int
) -> ActiveTrace:
    process, last = owner(row, now), latest.first()
    return ActiveTrace(
        trace=running_trace(row, silent_since),
        health=_health(row, process, last, idle_us, now),
        since_last_event_us=max(now - row.last_event_at, 0),
        last_event=None if last is None else last.glimpse,
        step=deepest(steps.steps),
        open_steps=steps.total,
        owner=process,
    )


def _health(row: Row[Any], process: Owner | None, last: Latest | None, idle_us: int, now: int) -> TraceHealth:
    since = now - row.last_event_at
    if process is None or not process.alive:
        return "no_heartbeat"
    if row.stalled or since >= idle_us:
        return "stalled"
    only_alive = last is not None and last.event_type == EventType.STREAM_KEEPALIVE
    return "silent" if only_alive or since >= _SILENT_AFTER_US else "moving"
