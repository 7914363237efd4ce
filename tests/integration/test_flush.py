"""What a flush promises, and what it says that it does not."""

from __future__ import annotations

import asyncio
from typing import Any

from asgi import END, body, run, start
from chat_events import chunk
from recorders import frames, only_trace, recording

from tracekit import Recorder, TraceMiddleware
from tracekit.write_counters import FlushResult

UNKNOWN = b'data: {"v": 1}\n\n'
KNOWN = chunk({"content": "a word"})
BEGINNING = chunk({"content": "key sk-proj-aB3aB3"})


def flushed_in_the_middle(recorder: Recorder, sent: bytes) -> tuple[FlushResult, int]:
    """Flush after a frame of a stream that goes on; what the flush says, and how many frames are stored then."""
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(body(sent))
        found.append(await asyncio.to_thread(recorder.flush, 10))
        found.append(len(frames(recorder, recorder.store.list_traces().items[0].trace_id)))
        await send(END)

    run(TraceMiddleware(app, recorder))
    return found[0], found[1]


def test_what_waits_for_a_reader_is_said_to_be_held(sqlite_url: str) -> None:
    """Nobody knows this format at its first frame: the frame waits, and the flush does not pretend that it is safe."""
    with recording(sqlite_url) as recorder:
        result, stored = flushed_in_the_middle(recorder, UNKNOWN)
        assert (result.complete, stored, result.held > 0) == (True, 0, True)
        trace = only_trace(recorder)
        assert frames(recorder, trace.trace_id) == [UNKNOWN]
        assert recorder.flush(10).held == 0


def test_what_may_become_a_secret_is_said_to_be_held(sqlite_url: str) -> None:
    """It is not stored before it is known what it is."""
    with recording(sqlite_url, plugins_off="") as recorder:
        result, stored = flushed_in_the_middle(recorder, BEGINNING)
        assert (result.complete, stored, result.held > 0) == (True, 0, True)
        only_trace(recorder)
        assert recorder.flush(10).held == 0


def test_what_can_be_written_is_written(sqlite_url: str) -> None:
    """A format that is known at its first frame holds nothing back."""
    with recording(sqlite_url) as recorder:
        result, stored = flushed_in_the_middle(recorder, KNOWN)
        assert (result.complete, stored, result.held) == (True, 1, 0)
