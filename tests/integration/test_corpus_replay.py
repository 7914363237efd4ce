"""Recorded provider streams, replayed by a real server: the client's bytes, the stored body and the frames joined are
the bytes of the file. What the stored frames say is what the stream said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as with_
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from admin_server import wait_until
from recorders import body as stored_body
from recorders import frames, recording, written
from serving import serve
from stream_corpus import RecordedStream, cases, frames_of, recorded_streams

from tracekit import Recorder, TraceMiddleware
from tracekit.texts_of_frames import texts_of_frames
from tracekit.types import Framing

_TYPES = {".sse": "text/event-stream", ".ndjson": "application/x-ndjson", ".txt": "text/plain"}

# Bytes of a body message: one frame each where it is 0. The other cuts through frames, lines and characters.
_SIZES = (0, 61)


async def replay(scope: Any, receive: Any, send: Any) -> None:
    """Sends a file of the corpus, cut as the query says: `/replay/<number>?<size>`."""
    stream = recorded_streams()[int(scope["path"].rpartition("/")[2])]
    suffix = stream.path.suffix
    headers = [(b"content-type", _TYPES[suffix].encode())]
    if suffix == ".txt":
        headers.append((b"x-vercel-ai-data-stream", b"v1"))
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for part in parts(stream, int(scope["query_string"])):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def has_ended(recorder: Recorder, trace_id: str) -> bool:
    """The client has the last byte before the app's end is noted."""
    written(recorder)
    return recorder.store.get(trace_id).status != "running"


def parts(stream: RecordedStream, size: int) -> Iterator[bytes]:
    data = stream.body
    if size == 0:
        yield from (frame.raw for frame in frames_of(data, stream.framing))
        return
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    # Large frames stand in the corpus; none is to be cut here.
    with recording(f"sqlite:///{folder / 'tracekit.db'}", {"task_trace_payload_max_length": 1 << 22}) as made:
        yield made


@pytest.fixture(scope="module")
def client(recorder: Recorder) -> Iterator[httpx.Client]:
    app = TraceMiddleware(replay, recorder, include=["/replay/*"])
    with serve(app, http="httptools") as served, httpx.Client(base_url=served.url, trust_env=False) as made:
        yield made


@pytest.mark.parametrize("stream", cases())
def test_a_provider_stream_is_the_same_at_the_client_and_in_the_store(
    recorder: Recorder, client: httpx.Client, stream: RecordedStream
):
    """However the server cuts it: no byte is lost, added or changed on any way."""
    number = recorded_streams().index(stream)
    for size in _SIZES:
        sent = b"".join(parts(stream, size))
        response = client.post(f"/replay/{number}?{size}")
        assert response.content == sent
        trace_id = response.headers["x-trace-id"]
        wait_until(partial(has_ended, recorder, trace_id))
        assert stored_body(recorder, trace_id) == sent
        assert b"".join(frames(recorder, trace_id)) == sent
        trace = recorder.store.get(trace_id)
        assert (trace.bytes_seen, trace.events_dropped, trace.payloads_cut) == (len(sent), 0, 0)
        assert trace.framing == (Framing.SSE if stream.path.suffix == ".sse" else Framing.NDJSON)
        assert recorder.store.is_exact(trace_id)
        told, stored = recorder.store.iterate_events(trace_id), recorder.store.texts(trace_id)
        assert texts_of_frames(recorder.plugins, trace.framing, told) == with_(stored, prompt="")
