"""`current_trace()` and the log filter: the right trace wherever the app's code runs, and nothing where none is."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi import END, Wire, body, exchange, http_scope, request, run, start
from chat_events import event
from recorders import events, recording, traces, written
from serving import Served, serve
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tracekit import Recorder, TraceIdFilter, TraceMiddleware, current_trace


def say(place: str) -> None:
    """Log into the current trace where this runs."""
    current_trace().log("test.place", place=place)


async def with_async_generator(request: Request) -> Response:
    say("endpoint")
    await run_in_threadpool(say, "thread pool")
    await asyncio.to_thread(say, "thread")
    await asyncio.create_task(in_a_task())

    async def words() -> AsyncIterator[bytes]:
        say("async generator")
        yield event(1)
        say("async generator, later")

    return StreamingResponse(words(), media_type="text/event-stream", background=BackgroundTask(in_the_background))


async def in_a_task() -> None:
    say("task")


def in_the_background() -> None:
    say("background task")


def with_sync_generator(request: Request) -> Response:
    say("endpoint in a thread")

    def words() -> Iterator[bytes]:
        say("sync generator")
        yield event(1)

    return StreamingResponse(words(), media_type="text/event-stream")


async def not_a_stream(request: Request) -> Response:
    return JSONResponse({"recording": current_trace().recording, "trace_id": current_trace().trace_id})


async def dispatch(request: Request, call_next: Any) -> Response:
    """A middleware of the kind that runs the rest of the app in another task."""
    response: Response = await call_next(request)
    return response


ROUTES = [
    Route("/async", with_async_generator, methods=["POST"]),
    Route("/sync", with_sync_generator, methods=["POST"]),
    Route("/plain", not_a_stream, methods=["POST"]),
]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


@pytest.fixture(scope="module", params=["alone", "inside a base middleware", "around a base middleware"])
def served(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Served]:
    ours, other = Middleware(TraceMiddleware, recorder=recorder), Middleware(BaseHTTPMiddleware, dispatch=dispatch)
    order = {"alone": [ours], "inside a base middleware": [other, ours], "around a base middleware": [ours, other]}
    with serve(Starlette(routes=ROUTES, middleware=order[request.param])) as made:
        yield made


def places(recorder: Recorder, trace_id: str) -> list[str]:
    """Where the app said something, in order."""
    written(recorder)
    found = [told.payload for told in events(recorder, trace_id) if told.event_type == "test.place"]
    return [payload["place"] for payload in found if payload is not None]


def test_it_is_the_same_trace_in_all_of_a_request(recorder: Recorder, served: Served):
    """In the endpoint, its threads, its tasks, its generators, and in the background task after the last byte."""
    response = httpx.post(f"{served.url}/async", trust_env=False)
    served.wait_for(1)
    assert places(recorder, response.headers["x-trace-id"]) == [
        "endpoint", "thread pool", "thread", "task", "async generator", "async generator, later", "background task",
    ]  # fmt: skip
    response = httpx.post(f"{served.url}/sync", trust_env=False)
    assert places(recorder, response.headers["x-trace-id"]) == ["endpoint in a thread", "sync generator"]


def test_where_nothing_is_recorded_it_takes_everything_and_keeps_nothing(recorder: Recorder):
    """App code never asks whether it is recorded."""
    nothing = current_trace()
    nothing.log("test.place", place="nowhere")
    nothing.annotate(session_id="s")
    assert (nothing.recording, nothing.trace_id) == (False, None)


def chat(*, declined: bool = False) -> Any:
    """An app that says which trace is current, before and after its response has begun."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.append(current_trace())
        await send(start())
        seen.append(current_trace())
        say("after the head")
        await send(body(event(1)))
        await send(END)
        seen.append(current_trace())

    return app, seen


def test_it_stands_from_the_first_line_of_the_app_to_the_last(recorder: Recorder):
    """Also before it is known whether the request is recorded; and when the call is over it is gone."""
    app, seen = chat()
    outcome = run(TraceMiddleware(app, recorder))
    assert {trace.trace_id for trace in seen} == {outcome.header("x-trace-id")}
    assert current_trace().recording is False
    assert seen[0].closed


def test_a_request_that_turns_out_not_to_be_recorded_has_none(recorder: Recorder):
    """What was said before the decision is forgotten with it."""
    app, seen = chat()
    before = len(traces(recorder))
    run(TraceMiddleware(app, recorder), scope=http_scope(headers=[(b"x-trace-enabled", b"0")]))
    assert [trace.recording for trace in seen] == [True, False, False]
    assert len(traces(recorder)) == before
    assert recorder.budget.waiting == 0


def test_the_handle_in_the_scope_needs_no_context(recorder: Recorder):
    """Code that runs in a context of its own reaches the trace through the ASGI scope."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        contextvars.Context().run(scope["tracekit.trace"].log, "test.place", place="another context")
        thread = threading.Thread(target=scope["tracekit.trace"].log, args=["test.place"], kwargs={"place": "thread"})
        thread.start()
        thread.join()
        contextvars.Context().run(say, "lost")
        await send(END)

    outcome = run(TraceMiddleware(app, recorder))
    assert places(recorder, str(outcome.header("x-trace-id"))) == ["another context", "thread"]


def test_requests_at_the_same_time_are_not_mixed(recorder: Recorder):
    """Many at once, in one loop: each has its own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        for _ in range(5):
            await asyncio.sleep(0)
            say(scope["path"])
        await send(END)

    async def main() -> list[Any]:
        wrapped = TraceMiddleware(app, recorder)
        return await asyncio.gather(
            *[exchange(wrapped, Wire([request()]), http_scope(f"/chat/{number}")) for number in range(20)]
        )

    for number, outcome in enumerate(asyncio.run(main())):
        assert places(recorder, str(outcome.header("x-trace-id"))) == [f"/chat/{number}"] * 5


def test_a_request_inside_a_request_gives_the_outer_one_back(recorder: Recorder):
    """An app may call another app of its own in the same task; afterwards its own trace is current again."""
    inner, _ = chat()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await TraceMiddleware(inner, recorder)(http_scope("/inner"), Wire([request()]).receive, Wire().send)
        say("outer, after")
        await send(END)

    outcome = run(TraceMiddleware(app, recorder), scope=http_scope("/outer"))
    assert places(recorder, str(outcome.header("x-trace-id"))) == ["outer, after"]
    newest = traces(recorder)[-1]
    assert newest.path == "/inner"
    assert places(recorder, newest.trace_id) == ["after the head"]


def test_a_generator_closed_by_the_garbage_collector_breaks_nothing(recorder: Recorder):
    """It is finalised in another context than the one it ran in; there is no token to be reset."""

    async def words() -> AsyncIterator[bytes]:
        try:
            yield event(1)
            yield event(2)
        finally:
            say("finally")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        async for word in words():
            await send(body(word))
            break
        await send(END)

    outcome = run(TraceMiddleware(app, recorder))
    assert outcome.raised is None
    written(recorder)
    assert recorder.store.get(str(outcome.header("x-trace-id"))).end_reason == "completed"


def test_log_records_carry_the_trace_id(recorder: Recorder):
    """A filter on any handler or logger adds `trace_id`: the running request's, or a dash."""
    logger, records = logging.getLogger("test.app"), []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    handler.addFilter(TraceIdFilter())
    logger.addHandler(handler)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        logger.warning("inside")
        await asyncio.to_thread(logger.warning, "in a thread")
        await send(END)

    try:
        logger.warning("outside")
        outcome = run(TraceMiddleware(app, recorder))
    finally:
        logger.removeHandler(handler)
    trace_id = outcome.header("x-trace-id")
    assert [record.trace_id for record in records] == ["-", trace_id, trace_id]


def test_what_an_app_logs_may_be_anything(recorder: Recorder):
    """Payloads are taken as they are at that moment; what JSON cannot hold is told as text; nothing raises."""

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    growing = [1]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        trace = current_trace()
        trace.log("test.list", value=growing)
        growing.append(2)
        trace.log("test.object", value=object())
        trace.log("test.hostile", value=Hostile(), whole=True)
        trace.log("test.nan", value=float("nan"), text="\ud800 \0", number=10**400)
        trace.log("x" * 1000)
        trace.log(7)  # type: ignore[arg-type]
        trace.annotate(session_id="s" * 1000, message_id=5)  # type: ignore[arg-type]
        await send(END)

    outcome = run(TraceMiddleware(app, recorder))
    assert outcome.raised is None
    written(recorder)
    trace_id = str(outcome.header("x-trace-id"))
    logged = [told for told in events(recorder, trace_id) if told.event_type.startswith(("test.", "x", "7"))]
    assert [told.event_type for told in logged] == [
        "test.list", "test.object", "test.hostile", "test.nan", "x" * 64, "7",
    ]  # fmt: skip
    assert logged[0].payload == {"value": [1]}
    assert logged[2].payload == {"value": "<Hostile that cannot be read: RuntimeError>", "whole": True}
    trace = recorder.store.get(trace_id)
    assert (trace.session_id, trace.message_id) == ("s" * 256, "5")
