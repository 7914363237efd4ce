"""What may stand behind the question mark: one model for each operation, and how a query string becomes one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from tracekit.types import EndReason, TraceStatus
from tracekit_admin.problems import Problem, problems_of_fields

__all__ = [
    "EventQuery",
    "ExportQuery",
    "GarbageQuery",
    "LatestQuery",
    "ListQuery",
    "Moment",
    "NoQuery",
    "PageQuery",
    "Query",
    "SignInQuery",
    "Whole",
    "microseconds",
    "parse_query",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# In a query string a plus sign means a space, and few remember to escape that of a time zone.
_ZONE_AFTER_SPACE = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)\Z")


def _whole_number(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise ValueError("a whole number")
    return value


def microseconds(value: object) -> int:
    """An ISO 8601 moment in microseconds UTC; one without a time zone is taken as UTC."""
    try:
        if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
            raise ValueError
        moment = datetime.fromisoformat(_ZONE_AFTER_SPACE.sub(r"\1+\2", value[:64]))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise ValueError("a moment in ISO 8601, such as 2026-11-21T03:11:05.123456Z") from None


def _split(value: object) -> object:
    """Values that are repeated, separated by commas, or both."""
    if not isinstance(value, list):
        return value
    return [part for item in value if isinstance(item, str) for part in item.split(",") if part]


Whole = Annotated[int, BeforeValidator(_whole_number)]
Moment = Annotated[
    int, BeforeValidator(microseconds), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]


class Query(BaseModel):
    """A query string. Names that are not fields are refused, since a filter that is misspelt must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """Nothing."""


class PageQuery(Query):
    """One page of a list."""

    cursor: str | None = Field(None, description="The `next_cursor` of the page before.")


class ListQuery(PageQuery):
    """Which traces are listed. All conditions that are given hold."""

    session: str | None = Field(None, description="The session id, whole.")
    status: TraceStatus | None = None
    end_reason: EndReason | None = None
    actor: str | None = Field(None, description="Who asked, whole.")
    environment: str | None = None
    model: str | None = None
    started_after: Moment | None = Field(None, description="Started at this moment or later.")
    started_before: Moment | None = Field(None, description="Started before this moment.")
    keyword: str | None = Field(
        None, description="Stands in an id, the path, the prompt or the answer, in upper or lower case."
    )
    first_content_over_us: Whole | None = Field(
        None, ge=0, lt=2**63, description="The first content came later than so many microseconds after the start."
    )
    limit: Whole = Field(50, ge=1, le=500)


class GarbageQuery(PageQuery):
    """Which workspaces are listed."""

    cursor: str | None = Field(None, max_length=32, description="The `next_cursor` of the page before.")
    limit: Whole = Field(50, ge=1, le=500)


class EventQuery(Query):
    """Which events of a trace are read."""

    since_seq: Whole = Field(0, ge=0, lt=2**63 - 1, description="Only events with a greater number.")
    limit: Whole = Field(500, ge=1, le=2000)
    type: Annotated[list[str], BeforeValidator(_split)] = Field(
        [], max_length=64, description="Only events of these types; repeated, or separated by commas."
    )
    phase: str | None = Field(None, description="Only events of this phase. This and what follows leaves frames out.")
    layer: str | None = Field(None, description="Only events of spans of this layer.")
    span: str | None = Field(None, description="Only events of the span of this id.")
    actor: str | None = Field(None, description="Only events that name this `actor` themselves.")


class LatestQuery(Query):
    """How many of the last events are read."""

    limit: Whole = Field(50, ge=1, le=2000)


class ExportQuery(Query):
    """How a trace is written."""

    format: str = Field("txt", description="One of the export formats: `txt`, `jsonl`, `sse`, and those of plugins.")
    frames: Literal["none", "summary", "full"] = Field(
        "summary", description="Leave stream frames out, fold runs of them into a line, or write each (`txt`)."
    )


class SignInQuery(Query):
    """Where to go after signing in."""

    next: str = Field("/", description="A path inside the mount, with its query.")


Model = TypeVar("Model", bound=Query)


def parse_query(model: type[Model], items: Iterable[tuple[str, str]]) -> Model:
    """The query string as a model.

    Raises:
        Problem: 422, naming each parameter that is unknown, given twice, of the wrong type or out of range.
    """
    values: dict[str, Any] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    single = [name for name in values if name in fields and get_origin(fields[name].annotation) is not list]
    if repeated := [name for name in single if len(values[name]) > 1]:
        raise _given_twice(repeated)
    values |= {name: values[name][0] for name in single}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise problems_of_fields(error, "query", model) from None


def _given_twice(names: Iterable[str]) -> Problem:
    errors = [{"field": name, "message": "given more than once"} for name in names]
    return Problem(422, f"Given more than once: {', '.join(names)}", errors=errors)
