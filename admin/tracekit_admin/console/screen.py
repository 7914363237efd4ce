"""What all pages of the console share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from starlette.responses import Response

from tracekit_admin.console.alerts import by_rule, raised_alerts
from tracekit_admin.operations import HTML, Answer, Call, Operation
from tracekit_admin.queries import NoQuery, Query
from tracekit_admin.rendering import html_response

__all__ = ["banners", "page_operation", "shown"]


def page_operation(
    path: str, answer: Callable[[Call[Any, Any]], Response], summary: str, query: type[Query] = NoQuery
) -> Operation:
    """An operation that answers a page."""
    return Operation(
        method="GET",
        path=path,
        answer=answer,
        summary=summary,
        tag="pages",
        answers=(Answer(200, "The page.", media_type=HTML),),
        errors=(404, 503) if "{" in path else (503,),
        query=query,
    )


def shown(call: Call[Any, Any], template: str, values: Mapping[str, Any]) -> Response:
    """A page with the frame that all have around it: where the reader is, and what is wrong with recording."""
    health = call.recorder.health()
    raised = raised_alerts(call.recorder, health)
    alerts = by_rule(raised)
    frame = {
        "health": health,
        "raised": raised,
        "alerts": list(alerts.values()),
        "banners": banners(health, alerts),
        "access": call.access,
    }
    return html_response(call.request, template, {**frame, **values})


def banners(health: Any, alerts: Collection[str]) -> list[tuple[str, str]]:
    """What must not be overlooked, as (kind, detail), but for what the rules of `alerts` say already."""
    found: list[tuple[str, str]] = []
    if health.database.problem:
        found.append(("database", health.database.problem))
    elif health.writer.consecutive_failures and "write_failures" not in alerts:
        found.append(("writing", health.writer.last_problem or ""))
    if health.database.damaged_files:
        found.append(("damaged", ", ".join(health.database.damaged_files)))
    if health.disk is not None and health.disk.short and "disk_short" not in alerts:
        found.append(("disk", health.disk.path))
    if health.drops.refused_events or health.drops.internal_errors:
        found.append(("lost", health.drops.last_internal_error or health.writer.last_problem or ""))
    found += (("configuration", problem) for problem in health.configuration_problems)
    return found
