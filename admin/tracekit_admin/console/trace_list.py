"""The list of traces, by filters that are its address."""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field, model_validator
from starlette.responses import Response

from tracekit.documents import iso
from tracekit.policy import conditions
from tracekit.store.records import TraceFilter
from tracekit.types import EndReason, TraceStatus
from tracekit_admin.console.screen import shown
from tracekit_admin.operations import Call, Nothing
from tracekit_admin.queries import ListQuery, Whole

__all__ = ["ConsoleListQuery", "filter_of", "link_values", "trace_list"]

_TRACES_ON_A_PAGE = 50
_SLOW_US = 2_000_000

_TERMS = ("session", "status", "end_reason", "actor", "environment", "model")
"""Filters that the query line takes as `name:value`."""

VIEWS: dict[str, dict[str, Any]] = {
    "all": {},
    "running": {"status": "running"},
    "failed": {"status": "failed"},
    "interrupted": {"status": "interrupted"},
    "slow": {"first_content_over_us": _SLOW_US},
}


class ConsoleListQuery(ListQuery):
    """The filters of the list, as a form sends them: what is left empty is no filter. In the keyword, `name:value`
    sets the filter of that name."""

    limit: Whole = Field(_TRACES_ON_A_PAGE, ge=1, le=500)

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = {name: value for name, value in values.items() if value != ""}
        words = []
        for word in str(given.pop("keyword", "")).split():
            name, colon, value = word.partition(":")
            if colon and value and name in _TERMS:
                if given.setdefault(name, value) != value:
                    raise ValueError(f"{name} is given twice, as {given[name]} and as {value}: one trace has only one")
            else:
                words.append(word)
        return {**given, "keyword": " ".join(words)} if words else given


def filter_of(query: ConsoleListQuery) -> TraceFilter:
    """The filter that a query means."""
    return TraceFilter(**query.model_dump(exclude={"cursor", "limit", "tab"}))


def trace_list(call: Call[ConsoleListQuery, Nothing]) -> Response:
    """A page of the list, newest first."""
    query, settings = call.query, call.recorder.settings.current
    chosen = filter_of(query)
    page = call.recorder.store.list_traces(chosen, limit=query.limit, cursor=query.cursor)
    filters = link_values(query)
    values = {
        "traces": page.items,
        "cursor": query.cursor,
        "next_cursor": page.next_cursor,
        "filters": filters,
        "views": VIEWS,
        "view": next((name for name, view in VIEWS.items() if view == filters), None),
        "statuses": [status.value for status in TraceStatus],
        "endings": [reason.value for reason in EndReason],
        "settings": settings,
        "conditions": conditions(settings, call.recorder.options.environment),
        "now": iso(time.time_ns() // 1000),
        "slow_us": _SLOW_US,
    }
    return shown(call, "traces.html", values)


def link_values(query: ConsoleListQuery) -> dict[str, Any]:
    """The filters as they stand in links: moments as they were written."""
    values = query.model_dump(mode="json", exclude_none=True, exclude={"cursor", "limit"})
    return {name: iso(value) if name.startswith("started_") else value for name, value in values.items()}
