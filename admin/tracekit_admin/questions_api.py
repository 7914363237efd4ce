"""The operations that say where the work is, why it is stuck, what failed, and how long things take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from tracekit.documents import record_document
from tracekit_admin import question_schemas as schemas
from tracekit_admin.documents import encoded, json_response
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import NoQuery
from tracekit_admin.question_queries import (
    ActiveQuery,
    FailureQuery,
    GraphQuery,
    SpanQuery,
    StatisticsQuery,
    StuckQuery,
    WindowQuery,
)

__all__ = ["OPERATIONS"]


def list_active(call: Call[ActiveQuery, Nothing]) -> Response:
    """The traces that run, with their health, the step each is in and the process that records it; those in trouble
    first. `moving`: something happened within 5 seconds. `silent`: nothing did, or only keepalives. `stalled`: for
    longer than the idle limit. `no_heartbeat`: its process has not beaten for 15 seconds."""
    found = call.recorder.store.active(limit=call.query.limit, idle_timeout_ms=_idle_timeout_ms(call))
    return json_response(record_document(found))


def list_stuck(call: Call[StuckQuery, Nothing]) -> Response:
    """The steps that have given no sign for some minutes, and running traces without data: the longest first, with
    the last event, the last good one, the process, and what may be the cause."""
    query = call.query
    found = call.recorder.store.stuck(query.minutes, limit=query.limit, idle_timeout_ms=_idle_timeout_ms(call))
    return json_response(record_document(found))


def top_failures(call: Call[FailureQuery, Nothing]) -> Response:
    """For which reasons, and in which layers, most spans and traces failed in the last hours, with the latest of each
    and what to do about it."""
    return json_response(record_document(call.recorder.store.top_failures(call.query.hours, limit=call.query.limit)))


def list_layers(call: Call[WindowQuery, Nothing]) -> Response:
    """How the layers did in the last hours: spans, share of those that went well, and how long they took."""
    return json_response({"items": [*map(record_document, call.recorder.store.layers(call.query.hours))]})


def get_layer(call: Call[WindowQuery, Nothing]) -> Response:
    """One layer with its steps, and the reasons for which its spans failed."""
    name = str(call.request.path_params["layer"])
    return json_response(record_document(call.recorder.store.layer(name, call.query.hours)))


def get_statistics(call: Call[StatisticsQuery, Nothing]) -> Response:
    """Traces over time: how they ended, tokens, errors, and how long the first content took."""
    return json_response(record_document(call.recorder.store.statistics(call.query.hours, call.query.bucket)))


def list_spans(call: Call[SpanQuery, Nothing]) -> Response:
    """The spans of a trace, parents before their children. A span whose parent is not stored is a root and `orphan`;
    where parents lead round in a circle it is cut, and the root marked `cycle`."""
    query = call.query
    return json_response(
        record_document(call.recorder.store.spans(call.trace_id, limit=query.limit, cursor=query.cursor))
    )


def get_span(call: Call[NoQuery, Nothing]) -> Response:
    """One span with all that is stored of it."""
    span = call.recorder.store.span(call.trace_id, str(call.request.path_params["span_id"]))
    own = {"input": encoded(span.input), "output": encoded(span.output), "artifacts": encoded(span.artifacts)}
    return json_response({**record_document(span), **own})


def get_graph(call: Call[GraphQuery, Nothing]) -> Response:
    """Spans, tool calls and runs as nodes and links, as d3-force takes them."""
    return json_response(record_document(call.recorder.store.graph(call.trace_id, limit=call.query.limit)))


def get_landmarks(call: Call[NoQuery, Nothing]) -> Response:
    """The frame with the first content, the one that ended the longest silence, and the errors. Reads all events."""
    return json_response(record_document(call.recorder.store.landmarks(call.trace_id)))


def list_checkpoints(call: Call[NoQuery, Nothing]) -> Response:
    """The checkpoints of a trace, with references to what shows them, and whether they were found to hold."""
    found = call.recorder.store.checkpoints(call.trace_id)
    return json_response({"items": [{**record_document(item), "facts": encoded(item.facts)} for item in found]})


def _idle_timeout_ms(call: Call[Any, Any]) -> int:
    return int(call.recorder.settings.current.task_trace_idle_timeout_ms)


_TRACES = "/api/task-trace"
_ONE = f"{_TRACES}/{{trace_id}}"
_LAYER = f"{_TRACES}/layers/{{layer:path}}"


def _question(path: str, answer: Any, summary: str, model: Any, **more: Any) -> Operation:
    errors: Sequence[int] = (404, 503) if "{" in path else (503,)
    answers = (Answer(200, f"{summary}.", model),)
    tag = "questions" if _ONE not in path else "traces"
    return Operation(
        method="GET", path=path, answer=answer, summary=summary, tag=tag, answers=answers, errors=errors, **more
    )


OPERATIONS = (
    _question(f"{_TRACES}/active", list_active, "What runs", schemas.ActiveTraces, query=ActiveQuery),
    _question(f"{_TRACES}/stuck", list_stuck, "What is stuck, and why", schemas.StuckPage, query=StuckQuery),
    _question(f"{_TRACES}/failures/top", top_failures, "What fails most", schemas.TopFailures, query=FailureQuery),
    _question(f"{_TRACES}/layers", list_layers, "How the layers do", schemas.LayerList, query=WindowQuery),
    _question(_LAYER, get_layer, "How one layer does", schemas.LayerPage, query=WindowQuery),
    _question(f"{_TRACES}/stats", get_statistics, "Traces over time", schemas.Statistics, query=StatisticsQuery),
    _question(f"{_ONE}/spans", list_spans, "Spans of a trace", schemas.SpanTreePage, query=SpanQuery, limited=True),
    _question(f"{_ONE}/spans/{{span_id}}", get_span, "One span", schemas.SpanDetail, limited=True),
    _question(f"{_ONE}/graph", get_graph, "A trace as nodes and links", schemas.Graph, query=GraphQuery),
    _question(f"{_ONE}/landmarks", get_landmarks, "Where to look in a trace", schemas.Landmarks, limited=True),
    _question(f"{_ONE}/checkpoints", list_checkpoints, "Checkpoints of a trace", schemas.CheckpointList, limited=True),
)
