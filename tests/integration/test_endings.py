"""Every ending that a trace can have, made to happen over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_events import DONE, FAILURE, event
from recorders import body as stored_body
from recorders import event_types, only_trace, payload, recording, written
from serving import RawClient, Served, serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tracekit import Recorder, TraceMiddleware
from tracekit.pipeline import TracePipeline
from tracekit.store import TraceRecord
from tracekit.trace import TaskTraceRecorder

EVENT, LAST = event(1), DONE


def stream(*said: bytes | Exception | None, status: int = 200) -> Any:
    """An endpoint that sends these events; None waits until somebody ends it, an exception is raised."""

    async def words() -> AsyncIterator[bytes]:
        for one in said:
            if one is None:
                await asyncio.Event().wait()
            elif isinstance(one, Exception):
                raise one
            else:
                yield one

    async def endpoint(request: Request) -> Response:
        await request.body()
        return StreamingResponse(words(), status, media_type="text/event-stream")

    return endpoint


async def refuses(request: Request) -> Response:
    return JSONResponse({"detail": "no seat is free"}, 503)


async def fails(request: Request) -> Response:
    raise LookupError("no model of that name")


ENDPOINTS = {
    "/whole": stream(EVENT, LAST),
    "/open": stream(EVENT, None),
    "/said-all": stream(EVENT, LAST, None),
    "/raises": stream(EVENT, ValueError("the model broke")),
    "/reports": stream(EVENT, FAILURE),
    "/refuses": refuses,
    "/fails": fails,
    "/status-500": stream(EVENT, status=500),
    "/empty": stream(),
}


def app_for(recorder: Recorder) -> Any:
    """The app of these tests, recorded."""
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in ENDPOINTS.items()]
    return TraceMiddleware(Starlette(routes=routes), recorder, include=["/refuses", "/fails"])


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


@pytest.fixture(scope="module", params=["h11", "httptools"])
def served(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Served]:
    with serve(app_for(recorder), http=request.param) as made:
        yield made


class Chat:
    """One request to a served app."""

    def __init__(self, served: Served, recorder: Recorder, path: str) -> None:
        self._served = served
        self._recorder = recorder
        self._ended = len(served.raised)
        self.client = RawClient(served.port)
        self.client.ask(path, connection="close")

    def trace(self) -> TraceRecord:
        """The trace, once the app's part is over."""
        self._served.wait_for(self._ended + 1)
        written(self._recorder)
        head = self.client.read.partition(b"\r\n\r\n")[0].lower()
        trace_id = head.partition(b"x-trace-id: ")[2][:32].decode()
        newest = self._recorder.store.list_traces(limit=1).items[0]
        assert trace_id in ("", newest.trace_id)
        return newest


def test_an_answer_sent_to_its_last_byte_is_completed(served: Served, recorder: Recorder):
    """The client has all of it."""
    chat = Chat(served, recorder, "/whole")
    assert LAST in chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason, trace.reason_code) == ("completed", "completed", None)
    assert stored_body(recorder, trace.trace_id) == EVENT + LAST
    assert (trace.http_status, trace.frames, trace.ended_at is not None) == (200, 3, True)


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_in_the_middle(served: Served, recorder: Recorder, leave: str):
    """By FIN or by RST: what was sent is stored, and the trace says who left."""
    chat = Chat(served, recorder, "/open")
    chat.client.read_until(EVENT)
    getattr(chat.client, leave)()
    trace = chat.trace()
    assert (trace.status, trace.end_reason) == ("cancelled", "client_disconnected")
    assert trace.reason_code == "CLIENT_DISCONNECTED"
    assert stored_body(recorder, trace.trace_id) == EVENT
    assert event_types(recorder, trace.trace_id).count("client.disconnected") == 1


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_after_the_formats_own_end(served: Served, recorder: Recorder, leave: str):
    """`data: [DONE]` was sent, so the answer is complete although the connection was still open."""
    chat = Chat(served, recorder, "/said-all")
    chat.client.read_until(b"[DONE]")
    getattr(chat.client, leave)()
    trace = chat.trace()
    assert (trace.status, trace.end_reason) == ("completed", "completed_then_disconnected")
    assert stored_body(recorder, trace.trace_id) == EVENT + LAST


def test_an_app_that_raises_in_the_middle(served: Served, recorder: Recorder):
    """The error is told with its type, its message and the end of its traceback."""
    chat = Chat(served, recorder, "/raises")
    assert EVENT in chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason) == ("failed", "app_error")
    assert trace.error == "ValueError: the model broke"
    told = payload(recorder, trace.trace_id, "error")
    assert "in words" in told["traceback"]
    assert stored_body(recorder, trace.trace_id) == EVENT


def test_an_error_frame_inside_a_200(served: Served, recorder: Recorder):
    """The HTTP status says all is well, the stream says it is not."""
    chat = Chat(served, recorder, "/reports")
    chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason, trace.http_status) == ("failed", "stream_error", 200)
    assert trace.error == "the model is overloaded"
    assert "stream.error" in event_types(recorder, trace.trace_id)


def test_an_included_path_that_answers_with_an_error(served: Served, recorder: Recorder):
    """It never became a stream, and is recorded because its path is included."""
    chat = Chat(served, recorder, "/refuses")
    assert b"no seat is free" in chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason, trace.http_status) == ("failed", "http_error", 503)
    assert stored_body(recorder, trace.trace_id) == b'{"detail":"no seat is free"}'


def test_an_included_path_that_fails_before_it_answers(served: Served, recorder: Recorder):
    """Starlette answers 500 in its own outermost layer, and what was raised goes on to the server."""
    chat = Chat(served, recorder, "/fails")
    assert b" 500 " in chat.client.read_to_end()
    trace = chat.trace()
    assert trace.status == "failed"
    assert trace.end_reason in ("http_error", "app_error")
    assert trace.error == "LookupError: no model of that name"


def test_a_stream_with_an_error_status(served: Served, recorder: Recorder):
    """It streamed, but what it streamed is an error."""
    chat = Chat(served, recorder, "/status-500")
    chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason, trace.http_status) == ("failed", "http_error", 500)
    assert stored_body(recorder, trace.trace_id) == EVENT


def test_a_stream_that_says_nothing(served: Served, recorder: Recorder):
    """A 200 with not a single byte in it is no answer."""
    chat = Chat(served, recorder, "/empty")
    chat.client.read_to_end()
    trace = chat.trace()
    assert (trace.status, trace.end_reason, trace.bytes_seen) == ("failed", "no_data_closed", 0)


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_server_that_stops_with_streams_open(sqlite_url: str, http: str):
    """The server cancels what still runs; the record says that it was the server."""
    with recording(sqlite_url) as recorder:
        with serve(app_for(recorder), http=http, grace=0) as served:
            client = RawClient(served.port)
            client.ask("/open")
            client.read_until(EVENT)
        client.close()
        trace = only_trace(recorder)
        assert (trace.status, trace.end_reason) == ("cancelled", "server_cancelled")
        assert stored_body(recorder, trace.trace_id) == EVENT


def test_a_fault_of_the_writer_ends_the_record_and_not_the_stream(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """A bug behind the buffer costs this trace its rest: the client gets all, the trace says that recording failed,
    and the next one is recorded again."""
    with recording(sqlite_url) as recorder, serve(app_for(recorder)) as served:
        with monkeypatch.context() as broken:
            broken.setattr(TracePipeline, "process", _boom)
            chat = Chat(served, recorder, "/whole")
            assert LAST in chat.client.read_to_end()
            served.wait_for(1)
            recorder.flush(5)
        trace = only_trace(recorder)
        assert (trace.status, trace.end_reason) == ("interrupted", "recording_failed")
        assert recorder.health().drops.internal_errors >= 1
        assert recorder.budget.waiting == 0
        chat = Chat(served, recorder, "/whole")
        chat.client.read_to_end()
        assert chat.trace().end_reason == "completed"


def test_a_fault_of_capture_ends_the_record_and_not_the_stream(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """The same for a bug on the event loop: what was noted before it is stored."""
    with recording(sqlite_url) as recorder, serve(app_for(recorder)) as served:
        with monkeypatch.context() as broken:
            broken.setattr(TaskTraceRecorder, "finalize", _boom)
            chat = Chat(served, recorder, "/whole")
            assert LAST in chat.client.read_to_end()
            served.wait_for(1)
        trace = only_trace(recorder)
        assert (trace.status, trace.end_reason) == ("interrupted", "recording_failed")
        assert stored_body(recorder, trace.trace_id) == EVENT + LAST
        assert served.raised == [None]


def _boom(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug")
