"""Whatever an app raises, and however it is cancelled, reaches the server as if nobody recorded it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import CANCEL, END, Outcome, Wire, body, http_scope, request, run, start
from recorders import body as stored_body
from recorders import event_types, recording, written
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tracekit import Recorder, TraceMiddleware

EVENT = b"data: hello\n\n"


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


def with_history(error: BaseException) -> BaseException:
    """An error with a cause, a context and notes, as it is after some handling."""
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise error from first
    except BaseException as caught:
        caught.add_note("a note")
        return caught


ERRORS: dict[str, Callable[[], BaseException]] = {
    "exception": lambda: ValueError("broken"),
    "group": lambda: ExceptionGroup("several", [ValueError("a"), TypeError("b")]),
    "base-group": lambda: BaseExceptionGroup("several", [asyncio.CancelledError(), ValueError("a")]),
    "cancelled": lambda: asyncio.CancelledError("enough"),
    "keyboard": lambda: KeyboardInterrupt("stop"),
    "exit": lambda: SystemExit(3),
    "generator": lambda: GeneratorExit("closed"),
    "stop": lambda: StopAsyncIteration("over"),
    "os": lambda: BrokenPipeError("no pipe"),
}

MOMENTS = {
    "before the first byte": 0,
    "after the head": 1,
    "in the middle": 2,
    "after the last byte": 4,
}


def raises(error: BaseException, after: int) -> Any:
    """An app that raises this object after so many of its four messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in [start(), body(EVENT), body(EVENT), END][:after]:
            await send(message)
        raise error

    return app


def outcome_of(app: Any) -> Outcome:
    """Run an app without a task around it: some of these errors would go past one."""
    wire = Wire([request()])
    raised: BaseException | None = None

    async def main() -> None:
        nonlocal raised
        try:
            await app(http_scope(), wire.receive, wire.send)
        except BaseException as error:
            raised = error

    asyncio.run(main())
    return Outcome(wire.sent, raised, wire.steps, wire.received, 0, 0)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ERRORS)
def test_the_very_object_reaches_the_server(recorder: Recorder, kind: str, moment: str):
    """The same exception, with the cause, the context and the notes that the app gave it."""
    error = with_history(ERRORS[kind]())
    before = (error.__cause__, error.__context__, error.__suppress_context__, list(error.__notes__), error.args)
    outcome = outcome_of(TraceMiddleware(raises(error, MOMENTS[moment]), recorder, include=["*"]))
    assert outcome.raised is error
    after = (error.__cause__, error.__context__, error.__suppress_context__, list(error.__notes__), error.args)
    assert all(mine is theirs or mine == theirs for mine, theirs in zip(after, before, strict=True))
    assert len(outcome.sent) == MOMENTS[moment]


@pytest.mark.parametrize("spec_version", ["2.0", "2.3", "2.4"])
def test_an_error_of_the_servers_send_reaches_the_app_as_it_is(recorder: Recorder, spec_version: str):
    """The app may want to know why it could not send: it gets the server's own object, at the same message."""
    for error in (OSError("gone"), RuntimeError("protocol"), asyncio.CancelledError("timeout")):
        for step in (2, 3, 5):
            caught: list[BaseException] = []

            async def app(scope: Any, receive: Any, send: Any, caught: Any = caught) -> None:
                await receive()
                try:
                    for message in (start(), body(EVENT), body(EVENT), END):
                        await send(message)
                except BaseException as seen:
                    caught.append(seen)
                    raise

            wire = Wire([request()], faults={step: error})
            outcome = run(TraceMiddleware(app, recorder), wire, http_scope(spec_version=spec_version))
            assert caught == [error]
            assert caught[0] is error
            assert outcome.raised is error
            assert error.__context__ is None


def test_an_error_of_the_servers_receive_reaches_the_app_as_it_is(recorder: Recorder):
    """The same holds on the way in."""
    error = RuntimeError("broken connection")
    outcome = run(TraceMiddleware(raises(ValueError(), 0), recorder), Wire(faults={1: error}))
    assert isinstance(outcome.raised, ValueError)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    outcome = run(TraceMiddleware(app, recorder), Wire(faults={1: error}))
    assert outcome.raised is error


def chat(wrap: bool, recorder: Recorder, *, background: bool = True) -> Any:
    """A Starlette app that streams with an async generator and a background task."""
    after: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        after.append("done")

    async def words() -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
            yield EVENT

    async def endpoint(request: Request) -> StreamingResponse:
        await request.body()
        task = BackgroundTask(work) if background else None
        return StreamingResponse(words(), media_type="text/event-stream", background=task)

    middleware = [Middleware(TraceMiddleware, recorder=recorder)] if wrap else []
    return Starlette(routes=[Route("/chat", endpoint, methods=["POST"])], middleware=middleware)


def facts(outcome: Outcome) -> tuple[Any, ...]:
    """What a server sees of an exchange, the trace header left out."""
    sent = [
        (
            message["type"],
            message.get("body"),
            [pair for pair in message.get("headers", ()) if pair[0] != b"x-trace-id"],
        )
        for message in outcome.sent
    ]
    kind = type(outcome.raised), getattr(outcome.raised, "args", None)
    return sent, kind, outcome.steps, outcome.received, outcome.tasks, outcome.cancelling


@pytest.mark.parametrize("spec_version", ["2.0", "2.3", "2.4"])
def test_cancelled_at_any_await_it_ends_as_the_bare_app_does(recorder: Recorder, spec_version: str):
    """For every await of a whole chat: the same messages, the same error, the same count of cancellations, no task
    left behind, and the trace is ended once."""
    whole = run(chat(False, recorder), Wire([request(b"{}")]), http_scope(spec_version=spec_version))
    assert whole.steps >= 6
    for step in range(1, whole.steps + 1):
        outcomes = []
        for wrap in (False, True):
            wire = Wire([request(b"{}")], faults={step: CANCEL})
            outcomes.append(run(chat(wrap, recorder), wire, http_scope(spec_version=spec_version)))
        bare, recorded = outcomes
        assert facts(recorded) == facts(bare)
        assert isinstance(recorded.raised, asyncio.CancelledError)
        if recorded.sent:
            written(recorder)
            trace_id = recorded.header("x-trace-id")
            assert trace_id is not None
            assert event_types(recorder, trace_id).count("trace.finished") == 1
            assert stored_body(recorder, trace_id) == recorded.body


@pytest.mark.parametrize("spec_version", ["2.0", "2.3", "2.4"])
def test_a_client_that_leaves_at_any_step_is_seen_as_the_bare_app_sees_it(recorder: Recorder, spec_version: str):
    """Whether the server says it by `http.disconnect` or by an error of `send`: the app ends as it would alone."""
    for step in range(1, 8):
        outcomes = []
        for wrap in (False, True):
            wire = Wire([request(b"{}")], leaves_at=step, raises_on_send=spec_version == "2.4")
            outcomes.append(run(chat(wrap, recorder), wire, http_scope(spec_version=spec_version)))
        assert facts(outcomes[1]) == facts(outcomes[0])


def test_an_app_closed_from_outside_ends_its_trace(recorder: Recorder):
    """A server that drops the coroutine closes it: GeneratorExit goes through, and the trace says who ended it."""
    wire = Wire()
    call = TraceMiddleware(raises(ValueError(), 4), recorder)(http_scope(), wire.receive, wire.send)
    for _ in range(3):
        call.send(None)
    call.close()
    outcome = Outcome(wire.sent, None, 0, 0, 0, 0)
    written(recorder)
    trace = recorder.store.get(str(outcome.header("x-trace-id")))
    assert (trace.status, trace.end_reason) == ("cancelled", "server_cancelled")


@pytest.mark.parametrize(
    ("kind", "end_reason"),
    [
        ("exception", "app_error"),
        ("group", "app_error"),
        ("base-group", "app_error"),
        ("os", "app_error"),
        ("cancelled", "server_cancelled"),
        ("keyboard", "server_cancelled"),
        ("exit", "server_cancelled"),
        ("generator", "server_cancelled"),
    ],
)
def test_who_ended_it_is_read_from_what_was_raised(recorder: Recorder, kind: str, end_reason: str):
    """An error of the app is told with its type and traceback; a cancellation is the server's doing and no error."""
    outcome = outcome_of(TraceMiddleware(raises(ERRORS[kind](), 2), recorder))
    written(recorder)
    trace_id = str(outcome.header("x-trace-id"))
    assert recorder.store.get(trace_id).end_reason == end_reason
    assert ("error" in event_types(recorder, trace_id)) == (end_reason == "app_error")


def test_an_error_in_a_background_task_leaves_the_answer_complete(recorder: Recorder):
    """The client has its answer; what went wrong afterwards is recorded beside it."""
    error = LookupError("later")

    async def broken() -> None:
        raise error

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(iter([EVENT]), media_type="text/event-stream", background=BackgroundTask(broken))

    app = Starlette(routes=[Route("/chat", endpoint, methods=["POST"])])
    outcome = run(TraceMiddleware(app, recorder))
    assert outcome.raised is error
    written(recorder)
    trace_id = str(outcome.header("x-trace-id"))
    assert recorder.store.get(trace_id).end_reason == "completed"
    (told,) = [event for event in recorder.store.iterate_events(trace_id) if event.event_type == "error"]
    assert told.payload is not None
    assert told.payload["type"] == "LookupError"
    assert told.payload["message"] == "later"
    assert "in broken" in told.payload["traceback"]


def test_an_exception_that_cannot_be_read_costs_nothing(recorder: Recorder):
    """`__str__`, `__notes__` and the traceback may themselves be broken; the object goes through, the trace ends."""

    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    for spoil in (lambda error: None, lambda error: setattr(error, "__notes__", 5)):
        error = Hostile("x" * 100_000)
        spoil(error)
        outcome = outcome_of(TraceMiddleware(raises(error, 2), recorder))
        assert outcome.raised is error
        written(recorder)
        assert recorder.store.get(str(outcome.header("x-trace-id"))).end_reason == "app_error"
