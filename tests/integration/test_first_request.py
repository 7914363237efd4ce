"""The first request of a process that has no lifespan: it may come before the settings are read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgi import END, Wire, body, request, run, start, streams
from chat_events import event
from recorders import EVERYTHING, traces

from tracekit import Recorder, TraceMiddleware, hookimpl
from tracekit.settings_store import SettingsStore


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The settings cannot be read before this is set."""
    opened = threading.Event()
    refresh = SettingsStore.refresh
    monkeypatch.setattr(SettingsStore, "refresh", lambda self: opened.wait(10) and refresh(self))
    yield opened
    opened.set()


@pytest.mark.parametrize(
    ("settings", "sent", "stored"),
    [
        ({}, b"{}", True),
        ({"task_trace_enabled": False}, b"{}", False),
        ({"task_trace_default_on": False}, b"{}", False),
        ({"task_trace_default_on": False}, b'{"traceEnabled": true}', True),
        ({}, b'{"traceEnabled": false}', False),
    ],
)
def test_a_first_request_does_not_wait_for_the_settings(
    sqlite_url: str, gate: threading.Event, settings: dict[str, Any], sent: bytes, stored: bool
):
    """Without a lifespan the first chat may come before the settings are read. It passes at once, without a header,
    and whether it is kept is decided when they are there; if not, nothing of it stays, in memory neither."""
    recorder = Recorder(sqlite_url, settings={**EVERYTHING, **settings})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(body(event(1)))
        gate.set()
        assert recorder.flush(10).complete
        await send(body(event(2)))
        await send(END)

    try:
        outcome = run(TraceMiddleware(app, recorder), Wire([request(sent)]))
        assert outcome.raised is None
        assert outcome.body == event(1) + event(2)
        assert outcome.header("x-trace-id") is None
        found = traces(recorder)
        assert len(found) == stored
        assert all(trace.end_reason == "completed" and trace.frames == 2 for trace in found)
        assert recorder.budget.waiting == 0
    finally:
        gate.set()
        recorder.shutdown(5)


def test_a_plugin_that_narrows_is_heard_for_the_first_request_too(sqlite_url: str, gate: threading.Event):
    """A request that came before the settings were read is held to the same rules as all others."""

    class Never:
        @hookimpl
        def tracekit_should_record(self, decision: Any) -> Any:
            return type(decision)(False, "never")

    recorder = Recorder(sqlite_url, settings=EVERYTHING, plugins=[Never()])
    try:
        run(TraceMiddleware(streams(start(), body(event(1)), END), recorder))
        gate.set()
        assert traces(recorder) == []
    finally:
        gate.set()
        recorder.shutdown(5)
