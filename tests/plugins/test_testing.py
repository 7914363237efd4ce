"""`tracekit.testing`: what the tests of plugins and apps stand on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import sse_body

from tracekit import hookimpl
from tracekit.decoding import Claim, Ended, Fact, Frame, StreamHead, Text
from tracekit.errors import PluginError
from tracekit.plugins import PluginHost
from tracekit.requests import RequestDescription, RequestInfo
from tracekit.testing import record_stream
from tracekit.trace import TraceInfo

CHUNK = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-5", "choices": []}
BODY = sse_body(
    {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": "lo"}}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**CHUNK, "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    "[DONE]",
)


class ShoutDecoder:
    wire_format = "shout"

    def feed(self, frame: Frame) -> Iterable[Fact]:
        yield Ended() if frame.text == "over" else Text(frame.text)

    def finish(self) -> Iterable[Fact]:
        return ()


class Shout:
    """A plugin as somebody would write it."""

    @hookimpl
    def tracekit_stream_decoder(self, head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
        return Claim(1.0, ShoutDecoder) if head.response_headers.get("x-shout") else None


def test_a_stream_is_told_as_it_would_be_stored() -> None:
    """What the decoder found, the events with their bytes, and the columns of the trace."""
    trace = record_stream(BODY, path="/v1/chat", request_body={"messages": [{"role": "user", "content": "Hi"}]})
    assert (trace.text, trace.text_parts, trace.reasoning, trace.tool_calls) == ("Hello", ["Hello"], None, [])
    assert (trace.finish_reason, trace.model, trace.error) == ("stop", "gpt-5", None)
    assert trace.usage == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert trace.wire_format == trace.row["wire_format"] == "openai-chat"
    assert [event.raw for event in trace.events_of("stream.frame")] == [part + b"\n\n" for part in BODY.split(b"\n\n")][
        :-1
    ]
    assert [event.event_type for event in trace.events][:2] == ["request.received", "response.started"]
    assert [event.event_type for event in trace.events][-1] == "trace.finished"
    assert (trace.row["status"], trace.row["path"], trace.row["prompt_preview"]) == ("completed", "/v1/chat", "Hi")
    assert trace.row["usage"] == trace.usage
    assert trace.faults == {}


@given(st.lists(st.integers(1, 40), max_size=30))
def test_however_a_body_is_cut_it_says_the_same(sizes: list[int]) -> None:
    """`chunks` are the sizes of the app's messages; what is left is the last one."""
    trace = record_stream(BODY, chunks=sizes)
    assert (trace.text, trace.usage) == ("Hello", {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
    assert b"".join(event.raw or b"" for event in trace.events) == BODY


def test_a_body_may_be_given_in_pieces() -> None:
    """The pieces are the app's messages; an empty one is none."""
    pieces = [BODY[:5], b"", BODY[5:]]
    assert record_stream(BODY, chunks=pieces).text == "Hello"


@pytest.mark.parametrize("chunks", [[0], [-1], [b"other"], [BODY, b"more"]])
def test_chunks_that_are_no_cut_of_the_body_are_refused(chunks: Any) -> None:
    """A test that feeds something else than it thinks would prove nothing."""
    with pytest.raises(ValueError, match="chunk"):
        record_stream(BODY, chunks=chunks)


def test_headers_and_content_type_choose_the_decoder() -> None:
    """The older protocol of the AI SDK has nothing but a header to be known by."""
    trace = record_stream(
        '0:"He"\n0:"llo"\nd:{"finishReason":"stop"}\n',
        content_type="text/plain; charset=utf-8",
        headers=[("X-Vercel-AI-Data-Stream", b"v1")],
    )
    assert (trace.text, trace.finish_reason, trace.wire_format) == ("Hello", "stop", "data-stream-v1")


def test_lines_of_json_are_read_as_lines() -> None:
    """`content_type` says how the body is cut into frames."""
    lines = [{"model": "m", "message": {"content": text}, "done": False} for text in ("a", "b")]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    trace = record_stream(body, content_type="application/x-ndjson")
    assert (trace.text, trace.wire_format) == ("ab", "ollama")


def test_a_plugin_is_tried_without_installing_it() -> None:
    """It stands beside those that are installed, and is asked first."""
    body = sse_body("HELLO", "over")
    assert record_stream(body, headers={"x-shout": "1"}).wire_format != "shout"
    trace = record_stream(body, headers={"x-shout": "1"}, plugins=[Shout()])
    assert (trace.text, trace.wire_format, trace.summary.ended) == ("HELLO", "shout", True)


def test_a_host_may_be_given_whole() -> None:
    """For a folder of plugins, or for leaving some out."""
    host = PluginHost([Shout()], off=["openai", "generic"])
    assert record_stream(BODY, plugins=host).wire_format == "unknown"


def test_a_plugin_that_misuses_a_hook_is_refused() -> None:
    """A misspelt hook is an error in the test, not a hook that never fires."""

    class Misspelt:
        @hookimpl
        def tracekit_stream_decodr(self) -> None: ...

    with pytest.raises(PluginError, match="tracekit_stream_decodr"):
        record_stream(BODY, plugins=[Misspelt()])


def test_what_a_plugin_raises_is_told() -> None:
    """The fence holds here as everywhere; the test sees what it held back."""

    class Broken:
        @hookimpl
        def tracekit_trace_finished(self, trace: TraceInfo) -> None:
            raise RuntimeError(f"{trace.status} is not what I like")

    trace = record_stream(BODY, plugins=[Broken()])
    assert trace.text == "Hello"
    assert trace.faults == {"Broken": "tracekit_trace_finished: RuntimeError: completed is not what I like"}


def test_the_request_reaches_the_plugins() -> None:
    """Headers, path and a body of any kind: JSON for objects, bytes and text as they are."""
    seen: list[RequestInfo] = []

    class Watching:
        @hookimpl
        def tracekit_describe_request(self, request: RequestInfo) -> RequestDescription | None:
            seen.append(request)
            return None

    for body in ({"a": 1}, b'{"a": 1}', '{"a": 1}', None):
        record_stream(BODY, path="/x", request_body=body, request_headers={"X-One": "1"}, plugins=[Watching()])
    assert [request.json for request in seen] == [{"a": 1}] * 3 + [None]
    assert {(request.path, request.headers["x-one"]) for request in seen} == {("/x", "1")}


def test_an_error_status_is_an_error() -> None:
    """The status decides over the ending, as in a recording."""
    trace = record_stream(b'{"error": {"message": "no"}}', content_type="application/json", status=429)
    assert (trace.row["status"], trace.row["end_reason"], trace.row["reason_code"]) == (
        "failed", "http_error", "RATE_LIMITED",
    )  # fmt: skip


CONFTEST = 'pytest_plugins = ["tracekit.testing_plugin"]\n'
TEST = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from tracekit import TraceMiddleware

async def chat(request):
    async def answer():
        yield b'data: {"text": "Hello"}\\n\\n'
    return StreamingResponse(answer(), media_type="text/event-stream")

async def call(app):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": "/chat",
             "raw_path": b"/chat", "query_string": b"", "root_path": "", "scheme": "http", "headers": []}
    async def receive():
        await asyncio.sleep(60)
    async def send(message):
        pass
    await app(scope, receive, send)

def test_recorded(recorder):
    asyncio.run(call(TraceMiddleware(Starlette(routes=[Route("/chat", chat)]), recorder)))
    assert recorder.flush().complete
    (trace,) = recorder.store.list_traces().items
    assert (trace.path, trace.answer_preview) == ("/chat", "Hello")

def test_nothing_is_left_of_another_test(recorder):
    assert recorder.flush().complete
    assert list(recorder.store.list_traces().items) == []
"""


def test_the_fixture_records_the_apps_of_other_projects(tmp_path: Path) -> None:
    """A project with nothing but the two lines of its conftest gets a recorder for each test, shut down after it."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_chat.py").write_text(TEST, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
