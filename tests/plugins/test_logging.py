"""One line in the app's log for each trace."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from asgi import Wire, body, request, run, start, streams
from recorders import recording, written
from stream_corpus import sse_body

from tracekit import TraceMiddleware
from tracekit.testing import record_stream

ANSWER = sse_body({"id": "c", "object": "chat.completion.chunk", "model": "gpt-5", "choices": []}, "[DONE]")
FAILURE = sse_body({"error": {"message": "no more", "type": "server_error"}})


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """What was logged since the last call, with the level of each line."""
    caplog.set_level(logging.DEBUG, logger="tracekit.traces")

    def taken() -> list[tuple[str, str]]:
        found = [
            (record.levelname, record.getMessage()) for record in caplog.records if record.name == "tracekit.traces"
        ]
        caplog.clear()
        return found

    return taken


def test_a_trace_that_ended_is_one_line(lines: Any) -> None:
    """Id, status, ending, duration, request and model, at INFO."""
    trace = record_stream(ANSWER, path="/chat")
    began, ended = lines()
    facts = f"after {trace.row['duration_ms']} ms, POST /chat, model gpt-5"
    assert began == ("DEBUG", f"trace {trace.row['trace_id']} started: POST /chat")
    assert ended == ("INFO", f"trace {trace.row['trace_id']} completed (completed) {facts}")


def test_a_trace_that_failed_is_a_warning(lines: Any) -> None:
    """An alert can be built on the level alone."""
    record_stream(FAILURE)
    level, line = lines()[-1]
    assert (level, "failed (stream_error)" in line, "no more" in line) == ("WARNING", True, False)


def test_a_line_stays_one_line(lines: Any) -> None:
    """Whatever a client puts into the path or the model's name, nobody forges a log line."""
    path = "/chat\n2026-01-01 CRITICAL root: forged\x1b[2J"
    record_stream(ANSWER, path=path, request_body={"model": "a\nb"})
    for _, line in lines():
        assert line.isprintable()


def test_tool_calls_are_told(lines: Any) -> None:
    """A call at DEBUG, one that failed at INFO; neither tells what was asked or answered."""
    parts = [
        {"type": "start"},
        {"type": "tool-input-available", "toolCallId": "1", "toolName": "look_up", "input": {"secret": "x"}},
        {"type": "tool-output-error", "toolCallId": "1", "errorText": "no such thing"},
    ]
    trace = record_stream(sse_body(*parts))
    identifier = trace.row["trace_id"]
    assert ("DEBUG", f"trace {identifier} calls look_up") in (told := lines())
    assert ("INFO", f"trace {identifier}: the call of look_up failed") in told


def test_changed_settings_are_told(lines: Any, tmp_path: Path) -> None:
    """Each setting that changed, with its value before and after."""
    with recording(f"sqlite:///{tmp_path / 'logged.db'}") as recorder:
        recorder.settings.update({"task_trace_retention_days": 30}, by="ann")
    assert ("INFO", "setting task_trace_retention_days changed from 0 to 30") in lines()


def test_a_recorded_chat_is_logged_by_the_running_recorder(lines: Any, tmp_path: Path) -> None:
    """Through the middleware: the line comes when the trace is stored."""
    app = streams(start(), body(ANSWER), body(more_body=False))
    with recording(f"sqlite:///{tmp_path / 'logged.db'}") as recorder:
        run(TraceMiddleware(app, recorder), Wire([request()]))
        written(recorder)
        recorder.shutdown(5)
    assert [level for level, line in lines() if "completed (completed)" in line] == ["INFO"]
