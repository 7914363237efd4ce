"""The operation that sends a recorded response again."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import Response

from tracekit.recorded_response import Headers, RecordedResponse, parse_start, stored_response
from tracekit.replay import Replay
from tracekit.types import Receive, Scope, Send
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import Query

__all__ = ["OPERATIONS", "ReplayQuery"]

# What a browser shows as text. Anything else that was recorded it would run or draw, with the rights of this origin.
_HARMLESS = frozenset(
    {
        *("text/event-stream", "text/plain", "application/json"),
        *("application/x-ndjson", "application/ndjson", "application/jsonl", "application/stream+json"),
    }
)
_BYTES = b"application/octet-stream"

# Of recorded headers these are not repeated: what a cache may keep, and of which type the body is, is ours to say.
_OURS = frozenset({b"cache-control", b"content-type"})


class ReplayQuery(Query):
    """How a recorded response is sent again."""

    speed: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="How many times as fast as it was; 0 leaves the pauses out."
    )
    start: str = Field(
        "0",
        alias="from",
        max_length=24,
        description="Where it starts: microseconds since the trace began, or the number of a frame as `seq:42`.",
    )


class _ReplayResponse(Response):
    """A replay as Starlette takes it. Starlette sees to the rest: what fails before the first byte is a problem."""

    def __init__(self, recorded: RecordedResponse, speed: float) -> None:
        super().__init__(status_code=recorded.status)
        self._replay = Replay(recorded, speed=speed)
        self._replay.headers = _safe(self._replay.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._replay(scope, receive, send)


def replay_trace(call: Call[ReplayQuery, Nothing]) -> Response:
    """The recorded response again: status, headers and bytes as stored, cut into the same messages, with the same
    pauses and the same ending; what ended in the middle breaks the connection off. `X-Tracekit-Exact` says whether
    each byte is what was sent. Media types that a browser would run or draw are sent as `application/octet-stream`.
    409: the trace still runs, or has no response, or nothing of it is left."""
    query = call.query
    recorded = stored_response(call.recorder.store, call.trace_id, parse_start(query.start))
    return _ReplayResponse(recorded, query.speed)


def _safe(headers: Headers) -> Headers:
    media_type = next((value for name, value in headers if name == b"content-type"), _BYTES)
    kept = [(name, value) for name, value in headers if name not in _OURS]
    return [*kept, (b"content-type", media_type if _is_harmless(media_type.decode("latin-1")) else _BYTES)]


def _is_harmless(media_type: str) -> bool:
    """Of several types in one header browsers take the last, so there must be only one."""
    return "," not in media_type and media_type.partition(";")[0].strip().lower() in _HARMLESS


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/task-trace/{trace_id}/replay",
        answer=replay_trace,
        summary="A recorded response again",
        tag="traces",
        answers=(
            Answer(200, "The response, with the status it had.", media_type="*/*", headers=("X-Tracekit-Exact",)),
        ),
        errors=(404, 409, 503),
        query=ReplayQuery,
        limited=True,
    ),
)
