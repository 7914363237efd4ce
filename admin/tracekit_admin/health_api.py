"""The operation that tells how recording stands."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import Response

from tracekit.documents import iso
from tracekit_admin.documents import json_response
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import NoQuery
from tracekit_admin.schemas import Health

__all__ = ["OPERATIONS"]


def get_health(call: Call[NoQuery, Nothing]) -> Response:
    """Database, queue, drops, plugins, disk, process, how long the admin takes to answer, and alerts. 503 while
    nothing can be written."""
    health = call.recorder.health()
    document = asdict(health)
    flushed_at = health.writer.last_flush_at
    for alert in document["alerts"]:
        alert["raised_at"] = iso(alert["raised_at"])
    document["writer"]["last_flush_at"] = None if flushed_at is None else iso(int(flushed_at * 1_000_000))
    return json_response(document, 503 if health.status == "failing" else 200)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/health",
        answer=get_health,
        summary="How recording stands",
        tag="health",
        answers=(Answer(200, "It works, or with losses.", Health), Answer(503, "Nothing can be written.", Health)),
    ),
)
