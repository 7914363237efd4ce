"""The last rows of each of several traces, by one statement that reads no others.

The databases need it said in different ways: PostgreSQL would compare every row of a trace with a subquery, and
SQLite has no lateral joins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, FromClause, Row, Select, bindparam, func, select, true

from tracekit.store.among import among
from tracekit.store.rows import EVENTS, TRACES

__all__ = ["LastRows"]

_KEYS = among(TRACES.c.id, "keys")
_COUNT = bindparam("count", type_=BigInteger)

Columns = Callable[[FromClause], Sequence[ColumnElement[Any]]]
Condition = Callable[[FromClause], ColumnElement[bool]]


class LastRows:
    """A question for the last rows of events that meet a condition.

    `columns` and `condition` are told the table; the rows come with the key of their trace in front.
    """

    def __init__(self, columns: Columns, condition: Condition) -> None:
        self._statements = {
            "postgresql": _lateral(columns, condition),
            "sqlite": _correlated(columns, condition),
        }

    def read(self, connection: Connection, keys: Collection[int], count: int = 1) -> Sequence[Row[Any]]:
        """The last `count` rows of each of these traces, in no order."""
        if not keys:
            return ()
        return connection.execute(self._statements[connection.dialect.name], {"keys": keys, "count": count}).all()


def _lateral(columns: Columns, condition: Condition) -> Select[Any]:
    last = (
        select(*columns(EVENTS))
        .where(EVENTS.c.trace_key == TRACES.c.id, condition(EVENTS))
        .order_by(EVENTS.c.seq.desc())
        .limit(_COUNT)
        .lateral()
    )
    return select(TRACES.c.id, *last.c).select_from(TRACES.join(last, true())).where(_KEYS)


def _correlated(columns: Columns, condition: Condition) -> Select[Any]:
    other = EVENTS.alias("other")
    first = (
        select(other.c.seq)
        .where(other.c.trace_key == TRACES.c.id, condition(other))
        .order_by(other.c.seq.desc())
        .limit(1)
        .offset(_COUNT - 1)
        .scalar_subquery()
    )
    joined = TRACES.join(EVENTS, EVENTS.c.trace_key == TRACES.c.id)
    return (
        select(TRACES.c.id, *columns(EVENTS))
        .select_from(joined)
        .where(_KEYS, condition(EVENTS), EVENTS.c.seq >= func.coalesce(first, 0))
    )
