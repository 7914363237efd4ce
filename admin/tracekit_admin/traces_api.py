"""The operations on traces."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from tracekit.exporting import ExportOptions
from tracekit.store.records import EventFilter, EventPage, TraceFilter
from tracekit_admin import documents
from tracekit_admin.documents import json_response
from tracekit_admin.exports import export_response
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.problems import Problem
from tracekit_admin.queries import EventQuery, ExportQuery, LatestQuery, ListQuery, NoQuery
from tracekit_admin.schemas import (
    CleanupRequest,
    CleanupResult,
    SnapshotDocument,
    TraceDetail,
    TracePage,
)
from tracekit_admin.schemas import EventPage as EventPageDocument

__all__ = ["OPERATIONS"]

_FIRST_EVENTS = 2000
_DAY_US = 86_400_000_000


def list_traces(call: Call[ListQuery, Nothing]) -> Response:
    """Newest first; the events and payloads of a trace are asked for one by one."""
    query = call.query
    conditions = query.model_dump(exclude={"cursor", "limit"})
    page = call.recorder.store.list_traces(
        TraceFilter(**conditions, visible=call.access.visible), limit=query.limit, cursor=query.cursor
    )
    return json_response({"items": [*map(documents.trace_summary, page.items)], "next_cursor": page.next_cursor})


def get_trace(call: Call[NoQuery, Nothing]) -> Response:
    """All columns, and the first 2000 events; the others through the list of events."""
    store = call.recorder.store
    record = store.get(call.trace_id)
    page = store.events(call.trace_id, limit=_FIRST_EVENTS)
    return json_response({**documents.trace(record), **documents.event_page(page)})


def delete_trace(call: Call[NoQuery, Nothing]) -> Response:
    """Delete a trace with all it holds, running or not."""
    if not call.recorder.store.delete(call.trace_id):
        raise Problem(404, f"no trace has the id {call.trace_id[:64]!r}")
    return Response(status_code=204)


def list_events(call: Call[EventQuery, Nothing]) -> Response:
    """The events after a number, in order; frames that are stored together come one by one."""
    query = call.query
    store = call.recorder.store
    filter = EventFilter(query.phase, query.layer, query.span, query.actor)
    page = store.events(
        call.trace_id, since_seq=query.since_seq, limit=query.limit, types=query.type or None, filter=filter
    )
    return json_response(documents.event_page(page))


def latest_events(call: Call[LatestQuery, Nothing]) -> Response:
    """The last events, oldest first. What has come since is told by `has_more`."""
    store = call.recorder.store
    latest = store.latest_events(call.trace_id, call.query.limit)
    next_seq = latest[-1].seq if latest else 0
    following = store.events(call.trace_id, since_seq=next_seq, limit=1)
    page = EventPage(latest, following.total, bool(following.events), next_seq)
    return json_response(documents.event_page(page))


def get_snapshot(call: Call[NoQuery, Nothing]) -> Response:
    """What a reader needs who joins while the trace is being written."""
    return json_response(documents.snapshot(call.recorder.store.snapshot(call.trace_id)))


def export_trace(call: Call[ExportQuery, Nothing]) -> Response:
    """The trace as a file, streamed. `sse` is the response body as it went over the wire."""
    exporters = call.recorder.plugins.exporters()
    exporter = exporters.get(call.query.format)
    if exporter is None:
        message = f"there is no such format; there are: {', '.join(sorted(exporters)) or 'none'}"
        raise Problem(422, f"format: {message}", errors=[{"field": "format", "message": message}])
    return export_response(call.recorder.store, call.trace_id, exporter, ExportOptions(call.query.frames))


def clean_up(call: Call[NoQuery, CleanupRequest]) -> Response:
    """Delete old traces now, in small batches; those that still run stay."""
    store, before = call.recorder.store, _before(call.body)
    estimate = store.estimate_deletion(before)
    traces = estimate.traces if call.body.dry_run else sum(store.delete_before(before))
    return json_response({"traces": traces, "bytes": estimate.bytes, "dry_run": call.body.dry_run})


def _before(request: CleanupRequest) -> int:
    if (request.older_than_days is None) == (request.before is None):
        message = "give one of older_than_days and before"
        raise Problem(422, message, errors=[{"field": "before", "message": message}])
    if request.before is not None:
        return request.before
    return time.time_ns() // 1000 - (request.older_than_days or 0) * _DAY_US


_TRACES = "/api/task-trace"
_ONE = f"{_TRACES}/{{trace_id}}"
_EXPORT_HEADERS = ("Content-Disposition", "X-Tracekit-Exact")
_PAGE = Answer(200, "Events.", EventPageDocument)


def _reading(path: str, answer: Any, summary: str, *answers: Answer, **more: Any) -> Operation:
    errors = (404, 503) if "{" in path else (503,)
    return Operation(
        method="GET",
        path=path,
        answer=answer,
        summary=summary,
        tag="traces",
        answers=answers,
        errors=errors,
        limited=True,
        **more,
    )


OPERATIONS = (
    _reading(_TRACES, list_traces, "List traces", Answer(200, "Traces.", TracePage), query=ListQuery),
    _reading(_ONE, get_trace, "One trace", Answer(200, "The trace.", TraceDetail)),
    _reading(f"{_ONE}/events", list_events, "Events of a trace", _PAGE, query=EventQuery),
    _reading(f"{_ONE}/events/latest", latest_events, "Last events of a trace", _PAGE, query=LatestQuery),
    _reading(f"{_ONE}/snapshot", get_snapshot, "A trace as it stands", Answer(200, "The trace.", SnapshotDocument)),
    _reading(
        f"{_ONE}/export",
        export_trace,
        "A trace as a file",
        Answer(200, "The file.", media_type="*/*", headers=_EXPORT_HEADERS),
        query=ExportQuery,
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        answer=delete_trace,
        summary="Delete a trace",
        tag="traces",
        answers=(Answer(204, "It is gone."),),
        errors=(404, 503),
    ),
    Operation(
        method="POST",
        path=f"{_TRACES}/cleanup",
        answer=clean_up,
        summary="Delete old traces",
        tag="traces",
        answers=(Answer(200, "What was deleted, or would be.", CleanupResult),),
        errors=(503,),
        body=CleanupRequest,
    ),
)
