"""Whether a column's value is one of several, which are one parameter.

As a list of parameters they would make another statement for every number of them, to be taken in anew by SQLAlchemy,
the driver and the server, and each would be bound by itself: half of the time of a question about running traces.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Dialect, String, Text, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

from tracekit import json_text

__all__ = ["among"]


class _Several(TypeDecorator[Collection[Any]]):
    """Values as one: an array for PostgreSQL; JSON for SQLite, which has no arrays."""

    impl = Text
    cache_ok = True

    def __init__(self, *, are_text: bool) -> None:
        super().__init__()
        self.are_text = are_text

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that the database has for it."""
        of = String() if self.are_text else BigInteger()
        return dialect.type_descriptor(ARRAY(of) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        """The values as that type takes them."""
        values = list(value or ())
        return values if dialect.name == "postgresql" else json_text.encode(values)


class _Among(GenericFunction[Any]):
    """A condition, but not of the type of one: SQLAlchemy would compare it with 1, where SQLite uses no index."""

    inherit_cache = True


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY({values})"


def among(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Whether `column` is one of the values of the parameter `name`, a collection of numbers or of texts."""
    several = _Several(are_text=not isinstance(column.type, BigInteger))
    return _Among(column, bindparam(name, type_=several))
