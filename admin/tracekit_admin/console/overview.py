"""The first screen: what runs, what is wrong, how the last day was."""

from __future__ import annotations

from starlette.responses import Response

from tracekit.policy import conditions
from tracekit_admin.console import charts
from tracekit_admin.console.screen import shown
from tracekit_admin.operations import Call, Nothing
from tracekit_admin.question_queries import WindowQuery

__all__ = ["overview"]

_STUCK_MINUTES = 5
_ROWS = 5


def overview(call: Call[WindowQuery, Nothing]) -> Response:
    """Running, stuck, failed and recorded; endings and first content over time; what fails most, and the slowest."""
    store, hours = call.recorder.store, call.query.hours
    settings = call.recorder.settings.current
    idle = settings.task_trace_idle_timeout_ms
    statistics = store.statistics(hours)
    bars, most = charts.bars(statistics)
    slowest_first = max((bucket.first_content_us.p95 or 0 for bucket in statistics.buckets), default=0)
    values = {
        "hours": hours,
        "statistics": statistics,
        "active": store.active(limit=_ROWS, idle_timeout_ms=idle),
        "stuck": store.stuck(_STUCK_MINUTES, limit=_ROWS, idle_timeout_ms=idle),
        "failures": store.top_failures(hours, limit=_ROWS),
        "slowest": store.slowest(hours, limit=_ROWS),
        "settings": settings,
        "conditions": conditions(settings, call.recorder.options.environment),
        "bars": bars,
        "most": most,
        "p50": charts.line(statistics, lambda bucket: bucket.first_content_us.p50, slowest_first),
        "p95": charts.line(statistics, lambda bucket: bucket.first_content_us.p95, slowest_first),
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
    }
    return shown(call, "overview.html", values)
