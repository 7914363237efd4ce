"""What is stuck and what fails, each row leading to the step and its evidence."""

from __future__ import annotations

from starlette.responses import Response

from tracekit_admin.console.screen import shown
from tracekit_admin.operations import Call, Nothing
from tracekit_admin.question_queries import FailureQuery, StuckQuery

__all__ = ["failures_page", "stuck_page"]


def stuck_page(call: Call[StuckQuery, Nothing]) -> Response:
    """Steps without a sign and traces without data: the longest first, with what may be the cause."""
    store, query = call.recorder.store, call.query
    idle = call.recorder.settings.current.task_trace_idle_timeout_ms
    values = {
        "minutes": query.minutes,
        "stuck": store.stuck(query.minutes, limit=query.limit, idle_timeout_ms=idle),
        "active": store.active(limit=50, idle_timeout_ms=idle),
    }
    return shown(call, "stuck.html", values)


def failures_page(call: Call[FailureQuery, Nothing]) -> Response:
    """The reasons for which most failed, and how each layer did."""
    store, query = call.recorder.store, call.query
    values = {
        "hours": query.hours,
        "failures": store.top_failures(query.hours, limit=query.limit),
        "layers": store.layers(query.hours),
    }
    return shown(call, "failures.html", values)
