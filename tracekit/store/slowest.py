"""The traces of some hours that took the longest."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, bindparam, select

from tracekit.store.engine import Database
from tracekit.store.records import TraceRecord
from tracekit.store.rows import TRACE_COLUMNS, TRACES, trace_record

__all__ = ["LOOKED_AT", "slowest"]

LOOKED_AT = 5_000
"""So many traces are looked at, the newest of the time: there is no index by length, and a page must not wait."""

_NEWEST = (
    select(TRACES.c.id)
    .where(TRACES.c.started_at >= bindparam("since", type_=BigInteger))
    .order_by(TRACES.c.started_at.desc())
    .limit(LOOKED_AT)
)
_SLOWEST = (
    select(*TRACE_COLUMNS)
    .where(TRACES.c.id.in_(_NEWEST), TRACES.c.duration_ms.is_not(None))
    .order_by(TRACES.c.duration_ms.desc())
)


def slowest(database: Database, since: int, limit: int) -> Sequence[TraceRecord]:
    """The longest among the newest traces that started since a moment, the longest first."""
    with database.reading() as connection:
        rows = connection.execute(_SLOWEST.limit(limit), {"since": since}).all()
    return [trace_record(row) for row in rows]
