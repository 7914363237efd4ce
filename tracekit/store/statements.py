"""Statements as the drivers take them, for those who write many rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from tracekit.store.batch import EventRow, SpanRow
from tracekit.store.engine import Dialect

__all__ = [
    "EVENT_COLUMNS",
    "SPAN_COLUMNS",
    "execute_many",
    "insert_statement",
    "placeholder",
    "storable",
    "upsert_span",
]

EVENT_COLUMNS = ("trace_key", *EventRow._fields[1:-1])
"""The fields of `EventRow`, the trace id replaced by the database's key, without the count."""

SPAN_COLUMNS = ("trace_key", *SpanRow._fields[1:])
"""The fields of `SpanRow`, likewise."""


def placeholder(dialect: Dialect) -> str:
    """What stands for a value in a statement."""
    return "?" if dialect == "sqlite" else "%s"


def insert_statement(table: str, columns: Iterable[str], mark: str) -> str:
    """An INSERT of one row."""
    names = tuple(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(mark for _ in names)})"


def upsert_span(mark: str) -> str:
    """An INSERT of a span that replaces what was there."""
    fresh = ", ".join(f"{name} = excluded.{name}" for name in SPAN_COLUMNS[2:])
    insert = insert_statement("task_trace_spans", SPAN_COLUMNS, mark)
    return f"{insert} ON CONFLICT (trace_key, span_id) DO UPDATE SET {fresh}"


def execute_many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Run a statement once for each row; nothing where there are none."""
    if rows:
        connection.exec_driver_sql(statement, rows)


def storable(value: Any) -> Any:
    """A column's value as both databases take it: PostgreSQL's text holds no NUL, neither holds a lone surrogate."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
