"""Batches into the database, through the driver: statements are fixed, rows are tuples, nothing is mapped.

Writing a batch twice changes nothing the second time, so a commit of unknown outcome is simply tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from tracekit.errors import StoreUnavailable
from tracekit.models import TRACE_COLUMNS, TaskTrace
from tracekit.store.batch import Batch, EventRow, SpanRow, TextRow
from tracekit.store.engine import Database
from tracekit.store.statements import EVENT_COLUMNS, execute_many, insert_statement, placeholder, storable, upsert_span

__all__ = ["BatchWriter", "WriteResult"]

logger = logging.getLogger("tracekit.store")

_FIXED = frozenset(
    [
        "trace_id",
        "name",
        "method",
        "path",
        "client",
        "environment",
        "enabled_by",
        "actor",
        "actor_is_admin",
        "started_at",
        "owner_process_id",
        "parent_trace_id",
        "parent_span_id",
        "root_trace_id",
        "traceparent",
        "tracestate",
        "trace_level",
        "payloads_deleted",
    ]
)
"""Columns that are written when the trace is new, and not again."""

_CHANGING = tuple(name for name in TRACE_COLUMNS if name not in _FIXED)

_TRACES = TaskTrace.metadata.tables["task_traces"]
_KEYS = select(_TRACES.c.trace_id, _TRACES.c.id).where(
    _TRACES.c.trace_id.in_(bindparam("ids", expanding=True)), _TRACES.c.owner_process_id == bindparam("owner")
)

# Keys of traces that are written to again and again are remembered; more than this many live at once are looked up.
_MOST_KEYS = 50_000


@dataclass(slots=True)
class WriteResult:
    """What became of a batch."""

    traces: int = 0
    events: int = 0
    failed: int = 0
    """Events and rows that the database refused for what they hold."""
    orphaned_events: int = 0
    """Of traces that were deleted while they ran."""
    problems: list[str] = field(default_factory=list)

    def __iadd__(self, other: WriteResult) -> WriteResult:
        self.traces += other.traces
        self.events += other.events
        self.failed += other.failed
        self.orphaned_events += other.orphaned_events
        self.problems += other.problems
        return self


class BatchWriter:
    """Writes the batches of one process."""

    def __init__(self, database: Database, owner: str, claim: Callable[[Connection], bool]) -> None:
        """`claim` runs first in every transaction: it makes sure that this process, `owner`, still owns its traces,
        and says whether others have thought it dead meanwhile."""
        self._database = database
        self._owner = owner
        self._claim = claim
        self._keys: dict[str, int] = {}
        self._token = object()
        mark = placeholder(database.dialect)
        self._insert_trace = insert_statement("task_traces", TRACE_COLUMNS, mark) + " ON CONFLICT (trace_id) DO NOTHING"
        self._update_trace = (
            f"UPDATE task_traces SET {', '.join(f'{name} = {mark}' for name in _CHANGING)} WHERE id = {mark}"
        )
        self._insert_event = insert_statement("task_trace_events", EVENT_COLUMNS, mark) + " ON CONFLICT DO NOTHING"
        self._insert_text = (
            insert_statement("task_trace_texts", ("trace_key", "kind", "text", "folded"), mark)
            + " ON CONFLICT (trace_key, kind) DO UPDATE SET text = excluded.text, folded = excluded.folded"
        )
        self._upsert_span = upsert_span(mark)

    def write(self, batch: Batch) -> WriteResult:
        """Write a batch in one transaction. If a row of it is refused, all the others are written all the same.

        Raises:
            StoreUnavailable: the database cannot be written now; nothing, or nothing more, of the batch is in it.
        """
        try:
            with self._database.writing() as connection:
                self._write_all(connection, batch)
        except StoreUnavailable:
            # Keys that were given in a transaction that is undone belong to nobody.
            self._keys.clear()
            raise
        except (SQLAlchemyError, ValueError, OverflowError, TypeError) as error:
            self._keys.clear()
            return self._write_in_parts(batch, error)
        return self._counted(batch)

    def _counted(self, batch: Batch) -> WriteResult:
        """What was written. Rows of a trace that was deleted meanwhile were left out."""
        written = sum(row.events for row in batch.events if row.trace_id in self._keys)
        return WriteResult(len(batch.new), written, orphaned_events=sum(row.events for row in batch.events) - written)

    def _write_in_parts(self, batch: Batch, error: Exception) -> WriteResult:
        """A row is bad: halve the batch until it stands alone, and leave only that one out."""
        halves = batch.halves()
        if not halves:
            return _refused(batch, error)
        result = WriteResult()
        for half in halves:
            result += self.write(half)
        return result

    def _write_all(self, connection: Connection, batch: Batch) -> None:
        if connection.info.setdefault(self._token, False) is False:
            # Behind a new connection may be another file, or another server, whose keys are others.
            connection.info[self._token] = True
            self._keys.clear()
        if self._claim(connection):
            # Somebody else may have added to a trace that was taken for finished. It is ours no longer.
            self._keys.clear()
        new = [tuple(map(storable, map(row.__getitem__, TRACE_COLUMNS))) for row in batch.new]
        execute_many(connection, self._insert_trace, new)
        keys = self._keys_of(connection, batch.trace_ids())
        execute_many(connection, self._insert_event, _event_values(batch.events, keys))
        execute_many(connection, self._insert_text, _text_values(batch.texts, keys))
        execute_many(connection, self._upsert_span, _span_values(batch.spans, keys))
        execute_many(connection, self._update_trace, _changed_values(batch.changed, keys))
        self._database.announce(connection)

    def _keys_of(self, connection: Connection, trace_ids: Sequence[str]) -> dict[str, int]:
        """The database's keys. A trace that was deleted meanwhile has none, and its rows are left out."""
        unknown = [trace_id for trace_id in trace_ids if trace_id not in self._keys]
        if len(self._keys) + len(unknown) > _MOST_KEYS:
            self._keys.clear()
            unknown = list(trace_ids)
        for start in range(0, len(unknown), 500):
            found = connection.execute(_KEYS, {"ids": unknown[start : start + 500], "owner": self._owner})
            self._keys.update((trace_id, key) for trace_id, key in found)
        return self._keys

    def forget(self, trace_id: str) -> None:
        """A trace is finished; its key is not needed again."""
        self._keys.pop(trace_id, None)

    def key(self, trace_id: str) -> int | None:
        """The database's key of a trace that was written lately."""
        return self._keys.get(trace_id)


def _changed_values(rows: Iterable[dict[str, Any]], keys: dict[str, int]) -> list[tuple[Any, ...]]:
    return [
        (*map(storable, map(row.__getitem__, _CHANGING)), keys[row["trace_id"]])
        for row in rows
        if row["trace_id"] in keys
    ]


def _event_values(rows: Iterable[EventRow], keys: dict[str, int]) -> list[tuple[Any, ...]]:
    return [
        (keys[row.trace_id], *row[1:3], storable(row.event_type), *row[4:8], row.span_id, storable(row.phase))
        for row in rows
        if row.trace_id in keys
    ]


def _text_values(rows: Iterable[TextRow], keys: dict[str, int]) -> list[tuple[Any, ...]]:
    return [
        (keys[row.trace_id], row.kind, storable(row.text), storable(row.text.casefold()))
        for row in rows
        if row.trace_id in keys
    ]


def _span_values(rows: Iterable[SpanRow], keys: dict[str, int]) -> list[tuple[Any, ...]]:
    return [(keys[row.trace_id], *map(storable, row[1:])) for row in rows if row.trace_id in keys]


def _refused(batch: Batch, error: Exception) -> WriteResult:
    logger.error("the database refused a row, which is left out: %s", error)
    return WriteResult(
        failed=sum(row.events for row in batch.events)
        + len(batch.texts)
        + len(batch.spans)
        + len(batch.new)
        + len(batch.changed),
        problems=[f"{type(error).__name__}: {error}"[:500]],
    )
