"""Whether what is stored is whole: the file itself, and the events of each trace from its first to its last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, exists, func, or_, select

from tracekit.store.engine import Database
from tracekit.store.rows import EVENTS, SPANS, TEXTS, TRACES

__all__ = ["Incomplete", "file_fault", "incomplete_traces", "orphans", "remove_orphans"]

_NAMED = 3
"""Traces named where many are incomplete."""

_HANGING = (EVENTS, SPANS, TEXTS)

_EXTENT = (
    select(EVENTS.c.trace_key, func.min(EVENTS.c.seq).label("first"), func.max(EVENTS.c.last_seq).label("last"))
    .group_by(EVENTS.c.trace_key)
    .subquery()
)

# Of a trace that is not closed the last events may be on their way, and of one without payloads they are gone.
_INCOMPLETE: Select[Any] = (
    select(TRACES.c.trace_id)
    .select_from(TRACES.outerjoin(_EXTENT, _EXTENT.c.trace_key == TRACES.c.id))
    .where(
        TRACES.c.closed.is_(True),
        TRACES.c.payloads_deleted.is_(False),
        or_(
            func.coalesce(_EXTENT.c.first, 1) != 1,
            func.coalesce(_EXTENT.c.last, 0) != TRACES.c.last_seq,
            TRACES.c.events_stored != TRACES.c.last_seq,
        ),
    )
    .order_by(TRACES.c.id)
)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Traces whose events do not run from 1 to their last number."""

    count: int
    trace_ids: tuple[str, ...]
    """The first few of them."""


def file_fault(database: Database) -> str | None:
    """What is wrong with a SQLite file; None: nothing, or the database is a server's, which looks after it."""
    if database.dialect != "sqlite":
        return None
    with database.reading() as connection:
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    return None if found == "ok" else found


def incomplete_traces(database: Database) -> Incomplete:
    """The traces that have ended and of which events are missing."""
    with database.reading() as connection:
        ids = connection.execute(_INCOMPLETE).scalars().all()
    return Incomplete(len(ids), tuple(ids[:_NAMED]))


def orphans(database: Database) -> int:
    """Rows that hang on a trace which is not there."""
    with database.reading() as connection:
        return sum(
            int(connection.execute(select(func.count()).select_from(table).where(_is_orphan(table))).scalar_one())
            for table in _HANGING
        )


def remove_orphans(database: Database) -> int:
    """Delete them; how many they were."""
    with database.writing() as connection:
        return sum(connection.execute(delete(table).where(_is_orphan(table))).rowcount for table in _HANGING)


def _is_orphan(table: Table) -> ColumnElement[bool]:
    return ~exists().where(TRACES.c.id == table.c.trace_key)
