"""The lifespan: used where there is one, needed by nobody, and passed through like everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from asgi import END, Wire, body, request, run, start, streams
from chat_events import event
from recorders import EVERYTHING, only_trace, recording, traces
from recorders import body as stored_body
from serving import serve

from tracekit import Recorder, TraceMiddleware

CHAT = streams(start(), body(event(1)), END)


def live(app: Any, *messages: dict[str, Any]) -> tuple[list[Any], BaseException | None]:
    """Run an app's lifespan as a server does: what it sent, and what it raised."""
    waiting, sent = list(messages), []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        asyncio.run(app({"type": "lifespan", "state": {}}, receive, send))
    except BaseException as error:
        return sent, error
    return sent, None


STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


@pytest.fixture
def make(sqlite_url: str) -> Any:
    """Makes a recorder that is not started; all are closed in the end."""
    made: list[Recorder] = []

    def recorder(url: str = sqlite_url, **options: Any) -> Recorder:
        made.append(Recorder(url, settings=dict(EVERYTHING), **options))
        return made[-1]

    yield recorder
    for one in made:
        one.shutdown(0.5)


def test_the_messages_of_the_lifespan_pass_as_they_are(make: Callable[..., Recorder]):
    """The same objects both ways, in the same order, with the same scope."""
    answers = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(scope)
        for answer in answers:
            got.append(await receive())
            await send(answer)

    sent, raised = live(TraceMiddleware(app, make()), STARTUP, SHUTDOWN)
    assert raised is None
    assert all(mine is theirs for mine, theirs in zip(sent, answers, strict=True))
    assert got[0] == {"type": "lifespan", "state": {}}
    assert all(mine is theirs for mine, theirs in zip(got[1:], [STARTUP, SHUTDOWN], strict=True))


def test_after_the_start_up_the_first_request_is_decided_at_once(make: Callable[..., Recorder]):
    """The start-up waits until the settings are read, so the first response carries its trace id already."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
        else:
            await CHAT(scope, receive, send)

    wrapped = TraceMiddleware(app, make())
    live(wrapped, STARTUP)
    assert run(wrapped).header("x-trace-id") is not None


def test_before_the_shut_down_is_over_everything_is_written(make: Callable[..., Recorder]):
    """When the server hears that the app has shut down, what was captured is in the database."""
    recorder = make()
    wrapped = TraceMiddleware(CHAT, recorder)
    run(wrapped)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    live(TraceMiddleware(app, recorder), SHUTDOWN)
    (trace,) = recorder.store.list_traces().items
    assert trace.end_reason == "completed"


@pytest.mark.parametrize(
    "error", [RuntimeError("no lifespan"), AssertionError(), KeyError("method"), asyncio.CancelledError()]
)
def test_an_app_without_a_lifespan_raises_what_it_raises(make: Callable[..., Recorder], error: BaseException):
    """Servers take an error here as "has no lifespan": it must be the app's own, and recording works without."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise error
        await CHAT(scope, receive, send)

    recorder = make()
    wrapped = TraceMiddleware(app, recorder)
    assert live(wrapped, STARTUP) == ([], error)
    run(wrapped)
    assert only_trace(recorder).end_reason == "completed"


def test_a_start_up_that_fails_is_told_at_once(make: Callable[..., Recorder]):
    """`lifespan.startup.failed` goes through as it is, and starts nothing."""
    failed = {"type": "lifespan.startup.failed", "message": "no model"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(failed)

    recorder = make()
    sent, raised = live(TraceMiddleware(app, recorder), STARTUP)
    assert sent[0] is failed
    assert raised is None
    assert not recorder.health().writer.alive


def test_a_recorder_that_cannot_start_keeps_no_app_from_starting(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
):
    """A bug or a limit of the system costs the recording; the app starts, serves and shuts down."""

    async def broken(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Recorder, "started", broken)
    monkeypatch.setattr(Recorder, "drained", broken)
    recorder = make()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    sent, raised = live(TraceMiddleware(app, recorder), STARTUP, SHUTDOWN)
    assert raised is None
    assert len(sent) == 2
    assert recorder.health().drops.internal_errors == 2


def test_a_database_that_cannot_be_opened_keeps_no_app_from_starting(make: Callable[..., Recorder], tmp_path: Any):
    """The app starts and serves; the health page says what is wrong."""
    (tmp_path / "file").write_text("not a folder")
    recorder = make(f"sqlite:///{tmp_path}/file/tracekit.db")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
        else:
            await CHAT(scope, receive, send)

    wrapped = TraceMiddleware(app, recorder)
    assert live(wrapped, STARTUP)[1] is None
    assert run(wrapped).body == event(1)
    health = recorder.health()
    assert health.status == "failing"
    assert "cannot be opened" in str(health.database.problem)


@pytest.mark.parametrize("lifespan", ["auto", "off"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_real_server_with_and_without_a_lifespan(sqlite_url: str, lifespan: str, loop: str):
    """With uvicorn's own protocol, in both of its event loops, whether it runs the lifespan or not."""
    with recording(sqlite_url) as recorder:
        app = TraceMiddleware(CHAT, recorder)
        with serve(app, lifespan=lifespan, loop=loop) as served:
            assert httpx.post(f"{served.url}/chat", trust_env=False).content == event(1)
        (trace,) = traces(recorder)
        assert stored_body(recorder, trace.trace_id) == event(1)


def test_one_recorder_in_several_event_loops(sqlite_url: str):
    """Test clients run each request in a loop of its own, and hosts run loops in threads; one writer serves them."""
    with recording(sqlite_url) as recorder:
        wrapped = TraceMiddleware(CHAT, recorder)
        with serve(wrapped) as one, serve(wrapped) as two:
            for served in (one, two):
                httpx.post(f"{served.url}/chat", trust_env=False)
        run(wrapped)
        assert [trace.end_reason for trace in traces(recorder)] == ["completed"] * 3


def test_a_recorder_that_is_shut_down_lets_everything_pass(make: Callable[..., Recorder]):
    """After `shutdown` the middleware is as if it were not there; a second `shutdown` does nothing."""
    recorder = make()
    wrapped = TraceMiddleware(CHAT, recorder)
    run(wrapped)
    recorder.shutdown(5)
    recorder.shutdown(5)
    outcome = run(wrapped, Wire([request()]))
    assert outcome.body == event(1)
    assert outcome.header("x-trace-id") is None


def test_a_stream_that_is_open_at_the_shut_down_ends_there(make: Callable[..., Recorder]):
    """What the writer has of it is stored, and the trace says that the process stopped; the stream itself goes on."""
    recorder = make()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(event(1)))
        recorder.shutdown(5)
        await send(body(event(2)))
        await send(END)

    outcome = run(TraceMiddleware(app, recorder))
    assert outcome.body == event(1) + event(2)
    (trace,) = recorder.store.list_traces().items
    assert (trace.status, trace.end_reason) == ("interrupted", "process_died")
    assert stored_body(recorder, trace.trace_id) == event(1)
