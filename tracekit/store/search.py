"""Which traces a list shows: its filter as conditions, the keyword among them, and the order that an index gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import gt, lt
from typing import Any

from sqlalchemy import Column, ColumnElement, UnaryExpression, false, literal, or_, select, true, tuple_
from sqlalchemy.sql.operators import custom_op

from tracekit.errors import InvalidInput
from tracekit.ids import parse_id
from tracekit.store.cursors import Position
from tracekit.store.records import TraceFilter, Visible
from tracekit.store.rows import GREATEST_INTEGER, TEXTS, TRACES, is_storable

__all__ = ["conditions", "is_by_time", "is_visible", "newest_first", "oldest_first"]

# Filters with an index of their own, the most telling first: SQLite has no statistics to choose by.
_INDEXED = {
    "session": TRACES.c.session_id,
    "actor": TRACES.c.actor,
    "end_reason": TRACES.c.end_reason,
    "model": TRACES.c.model,
    "status": TRACES.c.status,
    "environment": TRACES.c.environment,
}

# So telling that their few rows are sorted by time sooner than the rows of a time are searched for them.
_TELLING = ("session", "actor")

_SEARCHED_COLUMNS = (
    TRACES.c.trace_id, TRACES.c.session_id, TRACES.c.message_id, TRACES.c.client_message_id, TRACES.c.path,
)  # fmt: skip
_SEARCHED_TEXTS = ("prompt", "answer")

_LONGEST_VALUE = 1024
_LONGEST_KEYWORD = 256


def is_by_time(filter: TraceFilter) -> bool:
    """Whether the list is in order of the start: a filter by time is read from the index by time."""
    return filter.started_after is not None or filter.started_before is not None


def newest_first(filter: TraceFilter) -> list[ColumnElement[Any]]:
    """What the list is ordered by: the order in which traces were stored, or started where that is filtered by."""
    return [TRACES.c.started_at.desc(), TRACES.c.id.desc()] if is_by_time(filter) else [TRACES.c.id.desc()]


def oldest_first(filter: TraceFilter) -> list[ColumnElement[Any]]:
    """The other way round."""
    return [TRACES.c.started_at.asc(), TRACES.c.id.asc()] if is_by_time(filter) else [TRACES.c.id.asc()]


def conditions(
    filter: TraceFilter, after: Position, dialect: str, *, newer: bool = False
) -> Iterator[ColumnElement[bool]]:
    """The conditions that a trace must meet which the filter selects and which comes after a position in the list.

    `dialect` is SQLAlchemy's name of the database; `newer` turns the list round.

    Raises:
        InvalidInput: a value cannot be looked for.
    """
    beyond: Callable[[Any, Any], ColumnElement[bool]] = gt if newer else lt
    yield from _equalities(filter, dialect)
    if is_by_time(filter):
        yield TRACES.c.started_at >= _moment(filter.started_after, -GREATEST_INTEGER)
        yield TRACES.c.started_at < _moment(filter.started_before, GREATEST_INTEGER)
        yield beyond(tuple_(TRACES.c.started_at, TRACES.c.id), tuple_(*map(literal, after)))
    else:
        yield beyond(TRACES.c.id, after.key)
    if filter.visible is not None:
        yield is_visible(filter.visible)
    if filter.first_content_over_us is not None:
        yield TRACES.c.first_content_us > min(filter.first_content_over_us, GREATEST_INTEGER)
    if filter.keyword is not None and (keyword := filter.keyword.strip()):
        yield _holds_keyword(_text("keyword", keyword, _LONGEST_KEYWORD), dialect)


def is_visible(limit: Visible) -> ColumnElement[bool]:
    """Whether a trace is one of those that a limit lets see. A name that cannot be stored is nobody's."""
    named = ((TRACES.c.session_id, limit.sessions), (TRACES.c.actor, limit.actors))
    return or_(false(), *(column.in_([*filter(is_storable, names)]) for column, names in named))


def _equalities(filter: TraceFilter, dialect: str) -> Iterator[ColumnElement[bool]]:
    """One condition may use its index; the others are kept from it where the database would choose blindly."""
    given = [name for name in _INDEXED if getattr(filter, name) is not None]
    leading = next(iter(given), None)
    if is_by_time(filter) and leading not in _TELLING:
        leading = None
    for name in given:
        column: ColumnElement[Any] = _INDEXED[name]
        if dialect == "sqlite" and name != leading:
            column = UnaryExpression(column, operator=custom_op("+"), type_=column.type)
        yield column == _text(name, getattr(filter, name), _LONGEST_VALUE)


def _moment(value: int | None, default: int) -> int:
    return default if value is None else max(-GREATEST_INTEGER, min(value, GREATEST_INTEGER))


def _text(name: str, value: str, longest: int) -> str:
    """A value that both databases can compare with."""
    if len(value) > longest:
        raise InvalidInput(f"{name}: at most {longest} characters", field=name)
    if not is_storable(value):
        raise InvalidInput(f"{name}: holds a character that no stored text has", field=name)
    return value


def _holds_keyword(keyword: str, dialect: str) -> ColumnElement[bool]:
    folded = TEXTS.c.folded.contains(keyword.casefold(), autoescape=True)
    texts = select(true()).where(TEXTS.c.trace_key == TRACES.c.id, TEXTS.c.kind.in_(_SEARCHED_TEXTS), folded)
    # The limit keeps PostgreSQL from searching the texts of all traces before it looks at the newest ones.
    said = texts.limit(1).scalar_subquery()
    named = _in_any_case(keyword, dialect)
    return or_(*map(named, _SEARCHED_COLUMNS), *_trace_named(keyword), said)


def _trace_named(keyword: str) -> Iterator[ColumnElement[bool]]:
    """A trace id may be written with dashes, as it is not stored."""
    try:
        yield TRACES.c.trace_id == parse_id(keyword)
    except InvalidInput:
        return


def _in_any_case(keyword: str, dialect: str) -> Callable[[Column[Any]], ColumnElement[bool]]:
    """The condition that a column without a folded form holds the keyword in upper or lower case.

    Neither database folds more than ASCII reliably: SQLite never does, PostgreSQL only in some locales. Both match
    sets of characters, so each letter is looked for in all its cases.
    """
    if dialect == "sqlite":
        pattern = "*" + "".join(_glob_set(character) for character in keyword) + "*"
        return lambda column: column.op("GLOB", is_comparison=True)(pattern)
    pattern = "".join(_regex_set(character) for character in keyword)
    return lambda column: column.op("~", is_comparison=True)(pattern)


def _cases(character: str) -> str:
    forms = {character, character.lower(), character.upper(), character.title(), character.casefold()}
    return "".join(sorted(form for form in forms if len(form) == 1))


def _glob_set(character: str) -> str:
    cases = _cases(character)
    return f"[{cases}]" if len(cases) > 1 or character in "*?[" else character


def _regex_set(character: str) -> str:
    cases = _cases(character)
    if len(cases) > 1:
        return f"[{cases}]"
    return character if character.isalnum() or not character.isascii() else f"\\{character}"
