"""Any bytes, split into body messages in any way, pass through and are stored byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Wire, body, request, run, start, streams
from hypothesis import given
from hypothesis import strategies as st
from recorders import body as stored_body
from recorders import frames, recording, written

from tracekit import Recorder, TraceMiddleware

# Pieces of which streams are made, so that boundaries, half boundaries and odd bytes meet in every way.
PIECES = st.sampled_from(
    [b"data: ", b"event: ping", b"\n", b"\r", b"\n\n", b"\r\n", b"\r\n\r\n", b": hi", b"\xef\xbb\xbf", b'{"a":1}',
     b"\0", b"\xff\xfe", "你好".encode(), b"[DONE]", b"id: 1\n"]
)  # fmt: skip
BODIES = st.one_of(st.lists(PIECES, max_size=30).map(b"".join), st.binary(max_size=200))
TYPES = st.sampled_from(["text/event-stream", "application/x-ndjson", "application/json"])
KINDS = st.sampled_from([bytes, bytearray, memoryview])


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


@given(data=BODIES, content_type=TYPES, kind=KINDS, draw=st.data())
def test_any_split_passes_through_and_is_stored(
    recorder: Recorder, data: bytes, content_type: str, kind: type, draw: st.DataObject
):
    """The client's bytes, the stored body, the frames joined, and the sizes of the messages are what the app sent."""
    places = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    parts = [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
    messages = [body(kind(part)) for part in parts]
    outcome = run(TraceMiddleware(streams(start(content_type), *messages, END), recorder, include=["*"]))
    assert outcome.body == data
    assert all(mine is theirs for mine, theirs in zip(outcome.sent[1:], [*messages, END], strict=True))
    written(recorder)
    trace_id = str(outcome.header("x-trace-id"))
    assert stored_body(recorder, trace_id) == data
    assert b"".join(frames(recorder, trace_id)) == data
    assert [stored for _, stored in recorder.store.body_messages(trace_id)] == [part for part in parts if part]
    assert recorder.store.is_exact(trace_id)


@given(data=st.binary(max_size=300), draw=st.data())
def test_any_split_of_a_request_reaches_the_app(recorder: Recorder, data: bytes, draw: st.DataObject):
    """The request body passes through byte for byte too, and is stored."""
    places = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    parts = [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
    incoming = [request(part, more_body=True) for part in parts[:-1]] + [request(parts[-1])]
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        await send(start())
        await send(END)

    outcome = run(TraceMiddleware(app, recorder), Wire(incoming))
    assert b"".join(got) == data
    written(recorder)
    (received,) = recorder.store.events(str(outcome.header("x-trace-id")), types=["request.received"]).events
    assert received.payload is not None
    assert received.payload["body_bytes"] == len(data)
