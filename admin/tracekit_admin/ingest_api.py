"""The operation by which other programs tell of their work."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tracekit.ingestion import Ingestion, ToldEnd, ToldTrace
from tracekit.store.incoming import IngestedTrace
from tracekit_admin.documents import json_response
from tracekit_admin.ingest_schemas import IngestBatch, IngestRequest, IngestResult, IngestTrace
from tracekit_admin.operations import Answer, Call, Operation
from tracekit_admin.queries import NoQuery

__all__ = ["OPERATIONS", "told"]

_WORDS = ("name", "session_id", "message_id", "client_message_id", "actor")


def ingest_events(call: Call[NoQuery, IngestRequest]) -> Response:
    """Append events and spans to a trace, or to several. Events get their numbers here, in the order of their times.
    409: a recorder is still at work on the trace, or recording is switched off."""
    recorder = call.recorder
    ingestion = Ingestion(recorder.database, recorder.plugins, recorder.settings.current, recorder.options.environment)
    taken = ingestion.take(told(call.body))
    return json_response({"traces": [*map(_document, taken)]})


def told(request: IngestRequest) -> list[ToldTrace]:
    """What a request tells, trace by trace."""
    return [*map(_told, request.all_batches())]


def _told(batch: IngestBatch) -> ToldTrace:
    trace = batch.trace
    return ToldTrace(
        trace_id=trace.trace_id,
        words={name: getattr(trace, name) for name in _WORDS},
        metadata=trace.metadata,
        parent_trace_id=trace.parent_trace_id,
        parent_span_id=trace.parent_span_id,
        started_at=trace.started_at,
        events=batch.events,
        spans=batch.spans,
        end=_told_end(trace),
    )


def _told_end(trace: IngestTrace) -> ToldEnd | None:
    reason = trace.reason
    return None if reason is None else ToldEnd(reason, trace.reason_code, trace.error, trace.ended_at)


def _document(taken: IngestedTrace) -> dict[str, Any]:
    return {
        "trace_id": taken.trace_id,
        "created": taken.created,
        "status": taken.status,
        "last_seq": taken.last_seq,
        "stored": taken.stored,
        "duplicates": taken.duplicates,
        "dropped": taken.dropped,
        "events": [event._asdict() for event in taken.events],
    }


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/task-trace/ingest",
        answer=ingest_events,
        summary="Tell of the work of another program",
        tag="traces",
        answers=(Answer(200, "What became of it.", IngestResult),),
        errors=(409, 503),
        body=IngestRequest,
    ),
)
