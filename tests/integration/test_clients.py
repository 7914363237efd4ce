"""What people use: the official clients, sse-starlette and Starlette's own responses, through a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from chat_events import DONE, event
from recorders import body as stored_body
from recorders import event_types, frames, recording, written
from serving import Served, serve
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from stream_corpus import RecordedStream, cases, recorded_streams

from tracekit import Recorder, TraceMiddleware


async def provider(request: Request) -> Response:
    """Answers as a provider does, with the stream that a header names, frame by frame."""
    asked = await request.json()
    assert asked["stream"] is True
    stream = recorded_streams()[int(request.headers["x-test-stream"])]
    data = stream.body
    parts = [data[begin : begin + 100] for begin in range(0, len(data), 100)]
    return StreamingResponse(iter(parts), media_type="text/event-stream")


async def pings(request: Request) -> Response:
    """Two events with silence between them, in which sse-starlette says that the connection lives."""
    pinged = asyncio.Event()

    def ping() -> ServerSentEvent:
        pinged.set()
        return ServerSentEvent(comment="still here")

    async def words() -> AsyncIterator[dict[str, str]]:
        yield {"event": "message", "id": "1", "data": "one\ntwo"}
        await pinged.wait()
        yield {"data": "你好"}

    return EventSourceResponse(words(), ping=0.02, ping_message_factory=ping, sep="\r\n")


async def words(request: Request) -> Response:
    """A synchronous generator, which Starlette runs in its thread pool; text and memoryviews."""
    return StreamingResponse(iter([event(1).decode(), memoryview(event(2)), DONE]), media_type="text/event-stream")


ROUTES = [
    Route("/v1/chat/completions", provider, methods=["POST"]),
    Route("/v1/messages", provider, methods=["POST"]),
    Route("/pings", pings),
    Route("/words", words),
]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


@pytest.fixture(scope="module", params=["h11", "httptools"])
def served(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Served]:
    with serve(TraceMiddleware(Starlette(routes=ROUTES), recorder), http=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def openai_client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{served.url}/v1", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def anthropic_client(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="none", base_url=served.url, max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def browser(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, trust_env=False) as made:
        yield made


def headers_of(stream: RecordedStream, recorded: bool) -> dict[str, str]:
    return {"x-test-stream": str(recorded_streams().index(stream)), "x-trace-enabled": str(int(recorded))}


def plain_cases(kind: str, count: int) -> list[Any]:
    """Some streams of the format's own vendor."""
    chosen = [case for case in cases(kind) if case.values[0] is None or case.values[0].entry["dialect"] is None]
    return chosen[:: max(1, len(chosen) // count)][:count]


def newest(recorder: Recorder, served: Served, exchanges: int) -> Any:
    served.wait_for(exchanges)
    written(recorder)
    return recorder.store.list_traces(limit=1).items[0]


@pytest.mark.parametrize("stream", plain_cases("openai-chat", 3))
def test_the_openai_client_reads_the_same_through_the_middleware(
    recorder: Recorder, served: Served, openai_client: openai.OpenAI, stream: RecordedStream
):
    """Every chunk that the client makes of a recorded response equals that of an unrecorded one."""
    ended = len(served.raised)

    def ask(recorded: bool) -> list[str]:
        chunks = openai_client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            extra_headers=headers_of(stream, recorded),
        )
        return [chunk.model_dump_json() for chunk in chunks]

    assert ask(recorded=True) == ask(recorded=False) != []
    trace = newest(recorder, served, ended + 2)
    assert stored_body(recorder, trace.trace_id) == stream.body
    assert trace.path == "/v1/chat/completions"
    assert recorder.store.texts(trace.trace_id).answer == (stream.expected.get("text") or "")


@pytest.mark.parametrize("stream", plain_cases("anthropic", 3))
def test_the_anthropic_client_reads_the_same_through_the_middleware(
    recorder: Recorder, served: Served, anthropic_client: anthropic.Anthropic, stream: RecordedStream
):
    """Every event that the client makes of a recorded response equals that of an unrecorded one."""
    ended = len(served.raised)

    def ask(recorded: bool) -> list[str]:
        events = anthropic_client.messages.create(
            model="m",
            max_tokens=10,
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            extra_headers=headers_of(stream, recorded),
        )
        return [said.model_dump_json() for said in events]

    assert ask(recorded=True) == ask(recorded=False) != []
    trace = newest(recorder, served, ended + 2)
    assert stored_body(recorder, trace.trace_id) == stream.body
    assert recorder.store.texts(trace.trace_id).answer == (stream.expected.get("text") or "")


def test_the_pings_of_sse_starlette_are_keepalives(recorder: Recorder, served: Served, browser: httpx.Client):
    """They are kept with their bytes, told from frames, and end no silence."""
    ended = len(served.raised)
    response = browser.get("/pings")
    trace = newest(recorder, served, ended + 1)
    assert stored_body(recorder, trace.trace_id) == response.content
    assert b"".join(frames(recorder, trace.trace_id)) == response.content
    assert response.content.count(b": still here") == trace.keepalives >= 1
    assert trace.frames == 2
    assert event_types(recorder, trace.trace_id).count("stream.keepalive") == trace.keepalives
    assert trace.longest_silence_us >= 15_000
    assert trace.end_reason == "completed"


def test_a_synchronous_generator_with_text_and_views(recorder: Recorder, served: Served, browser: httpx.Client):
    """Whatever a StreamingResponse yields, what went over the wire is stored."""
    ended = len(served.raised)
    response = browser.get("/words")
    trace = newest(recorder, served, ended + 1)
    assert response.content == event(1) + event(2) + DONE == stored_body(recorder, trace.trace_id)
    assert recorder.store.texts(trace.trace_id).answer == "1 2 "
