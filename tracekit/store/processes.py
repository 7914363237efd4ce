"""The processes that record, as their rows tell."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tracekit.store.engine import Database
from tracekit.store.owners import OWNER_COLUMNS, PROCESSES, owner_of
from tracekit.store.question_records import Owner

__all__ = ["processes"]

_LATEST = select(*OWNER_COLUMNS).order_by(PROCESSES.c.heartbeat_at.desc())


def processes(database: Database, limit: int, now: int) -> Sequence[Owner]:
    """The processes that beat last, the latest first."""
    with database.reading() as connection:
        rows = connection.execute(_LATEST.limit(limit)).all()
    return [owner for row in rows if (owner := owner_of(row, now)) is not None]
