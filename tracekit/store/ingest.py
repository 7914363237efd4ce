"""Events that other programs send, appended to their traces: numbers are given inside the transaction.

The row of a trace is locked while its events are numbered, so any number of programs may append to one trace at the
same time. A trace that a recorder still owns is refused: that process gives the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tracekit.errors import InvalidInput, WrongState
from tracekit.models import TaskTraceIngested
from tracekit.store.appending import Appending
from tracekit.store.batch import SpanRow
from tracekit.store.engine import Database, Dialect
from tracekit.store.incoming import INGESTED, IncomingTrace, IngestedTrace
from tracekit.store.owners import PROCESSES
from tracekit.store.rows import SPANS, TRACES
from tracekit.store.span_rows import NOT_ENDED, PROCESS_DIED, SpanRows
from tracekit.store.statements import EVENT_COLUMNS, execute_many, insert_statement, placeholder, storable, upsert_span
from tracekit.types import TraceStatus

__all__ = ["ingest"]

_INGESTED = TaskTraceIngested.metadata.tables["task_trace_ingested"]
_INSERTS: dict[Dialect, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

# Values looked up by one statement.
_AT_ONCE = 500

_SPAN_COLUMNS = [SPANS.c[name] for name in SpanRow._fields[1:]]


def ingest(database: Database, traces: Sequence[IncomingTrace], max_events: int) -> list[IngestedTrace]:
    """Append what is told of these traces, all of it or nothing; what became of each, in the same order.

    Each trace is named once. `max_events` bounds what is stored of one.

    Raises:
        InvalidInput: a trace would be its own ancestor.
        WrongState: a recorder owns one of the traces.
        StoreUnavailable: the database cannot be written now.
    """
    found: dict[str, IngestedTrace] = {}
    with database.writing() as connection:
        # In one order everywhere, so that two requests never wait for one another.
        for trace in sorted(traces, key=attrgetter("trace_id")):
            found[trace.trace_id] = _append(connection, database.dialect, trace, max_events)
        database.announce(connection)
    return [found[trace.trace_id] for trace in traces]


def _append(connection: Connection, dialect: Dialect, trace: IncomingTrace, max_events: int) -> IngestedTrace:
    row = _locked(connection, trace.trace_id)
    created = row is None
    if row is None:
        _create(connection, dialect, trace)
        row = _locked(connection, trace.trace_id)
        assert row is not None
    _refuse_owned(connection, row)
    appending = Appending(row, _steps(connection, row, trace), _known(connection, row, trace), max_events)
    told = appending.take(trace)
    told.created = created
    _write(connection, dialect, appending)
    connection.execute(update(TRACES).where(TRACES.c.id == row.id).values(appending.columns(trace)))
    return told


# The row of the trace


def _locked(connection: Connection, trace_id: str) -> Row[Any] | None:
    return connection.execute(select(TRACES).where(TRACES.c.trace_id == trace_id).with_for_update()).first()


def _create(connection: Connection, dialect: Dialect, trace: IncomingTrace) -> None:
    """Two requests may begin the same trace at the same moment; the second finds it there."""
    parent = _parent(connection, trace)
    values = trace.columns | {
        "trace_id": trace.trace_id,
        "status": TraceStatus.RUNNING.value,
        "enabled_by": INGESTED,
        "environment": trace.environment,
        "started_at": trace.started_at,
        "last_event_at": trace.started_at,
        "parent_trace_id": trace.parent_trace_id,
        "parent_span_id": trace.parent_span_id,
        "root_trace_id": trace.parent_trace_id or trace.trace_id if parent is None else parent.root_trace_id,
        "owner_process_id": INGESTED,
    }
    connection.execute(_INSERTS[dialect](TRACES).values(values).on_conflict_do_nothing(index_elements=["trace_id"]))


def _parent(connection: Connection, trace: IncomingTrace) -> Row[Any, Any] | None:
    """The trace that is named as parent, if it is known. Nothing descends from a trace that is not there yet but
    what has named it as the root, so one look tells a circle."""
    if trace.parent_trace_id is None:
        return None
    columns = TRACES.c.trace_id, TRACES.c.root_trace_id
    parent = connection.execute(select(*columns).where(TRACES.c.trace_id == trace.parent_trace_id)).first()
    if trace.trace_id in (trace.parent_trace_id, parent.root_trace_id if parent else None):
        raise InvalidInput("parent_trace_id: the trace would be its own ancestor", field="trace.parent_trace_id")
    return parent


def _refuse_owned(connection: Connection, row: Row[Any]) -> None:
    if row.closed or row.owner_process_id == INGESTED:
        return
    owner = select(PROCESSES.c.process_id).where(PROCESSES.c.process_id == row.owner_process_id)
    if connection.execute(owner).first() is not None:
        raise WrongState(
            f"trace {row.trace_id} is being recorded by process {row.owner_process_id}, which numbers its events;"
            " send a trace of your own that names it as parent_trace_id"
        )


# What is known of it


def _known(connection: Connection, row: Row[Any], trace: IncomingTrace) -> dict[str, int]:
    """The numbers of those events that were sent before."""
    ids = [event.id for event in trace.events if event.id is not None] + [span.id for span in trace.spans]
    known: dict[str, int] = {}
    for some in _parts(ids):
        statement = select(_INGESTED.c.event_id, _INGESTED.c.seq).where(
            _INGESTED.c.trace_key == row.id, _INGESTED.c.event_id.in_(some)
        )
        known |= {row.event_id: row.seq for row in connection.execute(statement)}
    return known


def _steps(connection: Connection, row: Row[Any], trace: IncomingTrace) -> SpanRows:
    """The spans that may change: those of which something is told, and where the trace ends all that are open.

    Those that failed only because the trace ended are as good as open: an end that is told late goes before that.
    """
    ids = {event.span_id for event in trace.events if event.step is not None and event.span_id is not None}
    ids |= {span.span_id for span in trace.spans}
    found: list[SpanRow] = []
    for some in _parts(ids):
        found += _stored_spans(connection, row, SPANS.c.span_id.in_(some))
    if trace.ending is not None:
        is_open = or_(SPANS.c.ended_at.is_(None), SPANS.c.error.in_((NOT_ENDED, PROCESS_DIED)))
        found += [span for span in _stored_spans(connection, row, is_open) if span.span_id not in ids]
    spans = SpanRows(row.trace_id)
    spans.resume(found)
    return spans


def _stored_spans(connection: Connection, row: Row[Any], condition: Any) -> list[SpanRow]:
    statement = select(*_SPAN_COLUMNS).where(SPANS.c.trace_key == row.id, condition)
    return [SpanRow(row.trace_id, *span) for span in connection.execute(statement)]


def _parts(values: Iterable[str]) -> Iterable[list[str]]:
    several = list(values)
    return (several[start : start + _AT_ONCE] for start in range(0, len(several), _AT_ONCE))


# Writing


def _write(connection: Connection, dialect: Dialect, appending: Appending) -> None:
    mark = placeholder(dialect)
    execute_many(connection, insert_statement("task_trace_events", EVENT_COLUMNS, mark), appending.rows)
    ids = insert_statement("task_trace_ingested", ("trace_key", "event_id", "seq"), mark)
    execute_many(connection, ids, appending.ids)
    spans = [(appending.key, *map(storable, row[1:])) for row in appending.spans.changed()]
    execute_many(connection, upsert_span(mark), spans)
