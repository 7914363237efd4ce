"""Which responses are watched, and the header that says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Outcome, body, http_scope, run, start, streams
from chat_events import event
from recorders import recording, traces, written

from tracekit import Recorder, TraceMiddleware
from tracekit.errors import ConfigurationError

CHAT = streams(start(), body(event(1)), END)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


def ask(app: Any, path: str = "/chat") -> Outcome:
    return run(app, scope=http_scope(path))


def is_recorded(outcome: Outcome) -> bool:
    """Whether the response says that it is recorded."""
    return outcome.header("x-trace-id") is not None


def test_the_header_can_be_renamed_and_switched_off(recorder: Recorder):
    """`X-Trace-Id` may have another name, or none; the trace is stored all the same."""
    before = len(traces(recorder))
    named = ask(TraceMiddleware(CHAT, recorder, response_header="X-Flight"))
    silent = ask(TraceMiddleware(CHAT, recorder, response_header=None))
    assert named.header("x-flight") is not None
    assert [name for name, _ in silent.sent[0]["headers"]] == [b"content-type"]
    assert len(traces(recorder)) == before + 2


def test_the_body_of_an_answer_to_head_is_not_told_as_sent(recorder: Recorder):
    """An app may send one; the server throws it away."""
    app = TraceMiddleware(CHAT, recorder)
    outcome = run(app, scope=http_scope(method="HEAD"))
    written(recorder)
    trace = recorder.store.get(str(outcome.header("x-trace-id")))
    assert outcome.body
    assert (trace.status, trace.frames, trace.bytes_seen) == ("completed", 0, 0)


@pytest.mark.parametrize("name", ["X Trace", "X\r\nY: z", "X-追踪", "Transfer-Encoding"])
def test_a_header_that_would_break_answers_is_refused_at_once(recorder: Recorder, name: str):
    """Its author is there to see it."""
    with pytest.raises(ConfigurationError, match="response_header"):
        TraceMiddleware(CHAT, recorder, response_header=name)


@pytest.mark.parametrize(
    ("content_type", "watched"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/x-ndjson", True),
        ("application/jsonl", True),
        ("application/stream+json;charset=utf-8", True),
        ("application/json", False),
        ("text/plain", False),
        ("text/event-stream-of-mine", False),
    ],
)
def test_what_is_watched_without_being_asked(recorder: Recorder, content_type: str, watched: bool):
    """Streams are known by their media type, whatever its case and parameters."""
    app = TraceMiddleware(streams(start(content_type), body(event(1)), END), recorder)
    assert is_recorded(ask(app)) == watched


def test_paths_can_be_included_and_excluded(recorder: Recorder):
    """Patterns are globs over the whole path or regular expressions; what is excluded is never recorded."""
    plain = streams(start("application/json"), body(b"{}"), END)
    included = TraceMiddleware(plain, recorder, include=["/chat/*", re.compile(r"/v\d+/ask$")])
    for path, expected in (("/chat/1", True), ("/chat", False), ("/api/v2/ask", True), ("/api/v2/ask/x", False)):
        assert is_recorded(ask(included, path=path)) == expected
    excluded = TraceMiddleware(CHAT, recorder, include=["*"], exclude=["/private*"])
    for path, expected in (("/private", False), ("/private/a/b", False), ("/chat", True), ("/a/private", True)):
        assert is_recorded(ask(excluded, path=path)) == expected
