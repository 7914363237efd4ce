"""Rows of the tables as the records that readers get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Row, Table, bindparam, select

from tracekit import json_text
from tracekit.errors import InvalidInput, NotFound
from tracekit.ids import parse_id
from tracekit.models import TaskTrace, TaskTraceEvent, TaskTraceSpan, TaskTraceText
from tracekit.store.records import TraceRecord

__all__ = [
    "EVENTS",
    "GREATEST_INTEGER",
    "SPANS",
    "TEXTS",
    "TRACES",
    "TRACE_COLUMNS",
    "TraceHead",
    "decoded_object",
    "find_head",
    "is_storable",
    "plain_id",
    "trace_record",
]


def _table(model: type[Any]) -> Table:
    return cast(Table, model.__table__)


TRACES = _table(TaskTrace)
EVENTS = _table(TaskTraceEvent)
TEXTS = _table(TaskTraceText)
SPANS = _table(TaskTraceSpan)

GREATEST_INTEGER = 2**63 - 1
"""The greatest number that a column of either database holds."""

TRACE_COLUMNS = [TRACES.c[field.name] for field in fields(TraceRecord)]
"""The columns of a `TraceRecord`, in the order of its fields."""

_USAGE, _METADATA = (TRACE_COLUMNS.index(TRACES.c[name]) for name in ("usage", "metadata"))


class TraceHead(NamedTuple):
    """What reading a trace's events needs to know of the trace."""

    key: int
    started_at: int
    events_stored: int
    last_seq: int
    payloads_deleted: bool


_HEAD = select(
    TRACES.c.id, TRACES.c.started_at, TRACES.c.events_stored, TRACES.c.last_seq, TRACES.c.payloads_deleted
).where(TRACES.c.trace_id == bindparam("trace_id"))


def plain_id(trace_id: str) -> str:
    """A trace id as the table has it; dashes and capitals are taken too.

    Raises:
        NotFound: no trace can have this id.
    """
    try:
        return parse_id(trace_id)
    except InvalidInput:
        raise NotFound(f"no trace has the id {trace_id[:64]!r}") from None


def find_head(connection: Connection, trace_id: str) -> TraceHead:
    """The head of a trace.

    Raises:
        NotFound: no trace has this id.
    """
    row = connection.execute(_HEAD, {"trace_id": plain_id(trace_id)}).first()
    if row is None:
        raise NotFound(f"no trace has the id {trace_id}")
    return TraceHead(*row)


def trace_record(row: Row[Any] | Sequence[Any]) -> TraceRecord:
    """A row of `TRACE_COLUMNS` as a record."""
    values = list(row)
    values[_USAGE] = decoded_object(values[_USAGE])
    values[_METADATA] = decoded_object(values[_METADATA])
    return TraceRecord(*values)


def decoded_object(text: str | None) -> dict[str, Any] | None:
    """A JSON column. A document that is no object stands under `value`, text that is no JSON under `text`."""
    if text is None:
        return None
    try:
        value = json_text.decode(text)
    except ValueError:
        return {"text": text}
    return value if isinstance(value, dict) else {"value": value}


def is_storable(text: str) -> bool:
    """Whether both databases take the text: no NUL, no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
