"""Whatever breaks in the recorder itself, the app and its client cannot tell."""

from __future__ import annotations

from typing import Any

import pytest
from asgi import END, Wire, body, http_scope, request, run, start
from chat_events import event
from recorders import recording, written

from tracekit import TraceMiddleware

# Every step that runs on the event loop, by the place where capture finds it.
STEPS = [
    "tracekit.middleware.enter",
    "tracekit.middleware.outer_trace",
    "tracekit.middleware.HttpHead",
    "tracekit.middleware.Responder",
    "tracekit.recorder.Recorder.open_trace",
    "tracekit.deciding.Deciding.decide",
    "tracekit.recorder.Recorder.register",
    "tracekit.deciding.should_enable_task_trace",
    "tracekit.responder.requested_by",
    "tracekit.responder.is_stream",
    "tracekit.responder.is_fault",
    "tracekit.responder.seen_ending",
    "tracekit.responder.Responder._keep_body",
    "tracekit.responder.Responder._last_body",
    "tracekit.responder.Responder._begin_response",
    "tracekit.responder.Responder._finish",
    "tracekit.trace.TaskTraceRecorder.append_event",
    "tracekit.trace.TaskTraceRecorder.append_crowded",
    "tracekit.trace.TaskTraceRecorder.append_error",
    "tracekit.trace.TaskTraceRecorder.finalize",
    "tracekit.trace.TaskTraceRecorder.close",
    "tracekit.trace.TaskTraceRecorder.discard",
    "tracekit.watching.PathRules.excluded",
    "tracekit.watching.PathRules.included",
    "tracekit.writer.Writer.add",
    "tracekit.writer.Writer.wake",
]

SENT = [start(), body(event(1)), {"type": "http.response.early_hint", "links": []}, body(event(2)), END]


def apps() -> dict[str, Any]:
    """Apps that take every way through the middleware."""

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in SENT:
            await send(message)

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(SENT[0])
        await send(SENT[1])
        raise ValueError("of the app")

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start("text/html"))
        await send(END)

    async def left(scope: Any, receive: Any, send: Any) -> None:
        for message in SENT:
            await send(message)

    return {"whole": whole, "failing": failing, "plain": plain, "left": left}


def outcome_of(app: Any, name: str) -> tuple[Any, ...]:
    """What the server and the app see, the trace header left out."""
    gone = {"leaves_at": 3, "raises_on_send": True} if name == "left" else {}
    outcome = run(app, Wire([request(b'{"traceEnabled": true}')], **gone), http_scope())
    sent = [{key: value for key, value in message.items() if key != "headers"} for message in outcome.sent]
    return sent, type(outcome.raised), getattr(outcome.raised, "args", None), outcome.tasks


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), RecursionError()], ids=repr)
def test_a_fault_in_any_step_of_capture_reaches_nobody(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    """With each step broken in turn: the same messages, the same errors, no task; and it is counted."""
    with recording(sqlite_url, buffer_bytes=1024 * 1024) as recorder:
        for step in STEPS:

            def broken(*_: Any, **__: Any) -> Any:
                raise error

            for name, app in apps().items():
                counted = recorder.health().drops.internal_errors
                expected = outcome_of(app, name)
                # So that the crowded way is taken too.
                recorder.budget.threshold = 0
                with monkeypatch.context() as patch:
                    patch.setattr(step, broken)
                    assert outcome_of(TraceMiddleware(app, recorder, include=["/none"]), name) == expected, (step, name)
                told = recorder.health().drops.internal_errors - counted
                assert told <= 3, "a fault is counted, not repeated for every message"
        assert recorder.health().drops.internal_errors >= len(STEPS)
        written(recorder)
        assert recorder.budget.waiting == 0
        # And it goes on recording.
        assert run(TraceMiddleware(apps()["whole"], recorder)).header("x-trace-id") is not None


def test_even_the_counting_of_a_fault_may_fail(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """A log handler that raises, a counter that is broken: the chat goes on."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    with recording(sqlite_url) as recorder, monkeypatch.context() as patch:
        patch.setattr("tracekit.recorder.Recorder.note_internal_error", broken)
        patch.setattr("tracekit.trace.TaskTraceRecorder.append_event", broken)
        for name, app in apps().items():
            assert outcome_of(TraceMiddleware(app, recorder), name) == outcome_of(app, name)
