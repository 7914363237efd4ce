"""The operations on workspaces that nobody needs any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from tracekit.documents import iso
from tracekit.errors import NotFound, WrongState
from tracekit.garbage import Garbage, GarbageCollector
from tracekit_admin.documents import json_response
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import GarbageQuery, NoQuery
from tracekit_admin.schemas import GarbagePage, GarbageRemoval, GarbageRequest

__all__ = ["OPERATIONS"]


def list_garbage(call: Call[GarbageQuery, Nothing]) -> Response:
    """Workspaces whose trace is gone, or had no event for 7 days, with what they hold; in order of their trace ids.
    Without `TRACEKIT_WORKSPACE_DIR` there are none."""
    page = _collector(call).page(limit=call.query.limit, cursor=call.query.cursor)
    return json_response({"items": [*map(_document, page.items)], "next_cursor": page.next_cursor})


def remove_garbage(call: Call[NoQuery, GarbageRequest]) -> Response:
    """Remove several workspaces. What is no garbage, or cannot be removed, stays and is told with the reason."""
    collector = _collector(call)
    removed: list[dict[str, Any]] = []
    kept: list[dict[str, str]] = []
    for trace_id in dict.fromkeys(call.body.trace_ids):
        try:
            removed.append(_document(collector.remove(trace_id)))
        except (NotFound, WrongState) as error:
            kept.append({"trace_id": trace_id, "reason": str(error)})
    return json_response({"removed": removed, "kept": kept, "bytes": sum(item["bytes"] for item in removed)})


def remove_workspace(call: Call[NoQuery, Nothing]) -> Response:
    """Remove one workspace. 404: there is none of this trace. 409: its trace is in use, or it cannot be removed."""
    _collector(call).remove(call.trace_id)
    return Response(status_code=204)


def _collector(call: Call[Any, Any]) -> GarbageCollector:
    return GarbageCollector(call.recorder.store, call.recorder.workspaces)


def _document(item: Garbage) -> dict[str, Any]:
    return {**asdict(item), "last_active_at": iso(item.last_active_at)}


_GARBAGE = "/api/task-trace/garbage"

OPERATIONS = (
    Operation(
        method="GET",
        path=_GARBAGE,
        answer=list_garbage,
        summary="Workspaces that may go",
        tag="garbage",
        answers=(Answer(200, "Workspaces.", GarbagePage),),
        errors=(409, 503),
        query=GarbageQuery,
    ),
    Operation(
        method="POST",
        path=_GARBAGE,
        answer=remove_garbage,
        summary="Remove workspaces",
        tag="garbage",
        answers=(Answer(200, "What was removed, and what stays.", GarbageRemoval),),
        errors=(503,),
        body=GarbageRequest,
    ),
    Operation(
        method="DELETE",
        path=f"{_GARBAGE}/{{trace_id}}",
        answer=remove_workspace,
        summary="Remove a workspace",
        tag="garbage",
        answers=(Answer(204, "It is gone."),),
        errors=(404, 409, 503),
    ),
)
