"""Memory that runs short, where there is no spool: what is dropped first, and that it is counted."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from asgi import END, Wire, body, exchange, http_scope, request, run, start, streams
from chat_events import DONE, USAGE, chunk, event
from recorders import body as stored_body
from recorders import event_types, events, only_trace, recording, traces
from sqlalchemy import make_url

from tracekit import Recorder, TraceMiddleware, hookimpl
from tracekit.budget import ENTRY_OVERHEAD
from tracekit.store import EventRecord

LIMIT = 1024 * 1024

# The events that tell of the gap and of the end, which always fit.
ENDING = 2048


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file is given up after 0.1 s instead of 5, so that many tries fail within a short test."""
    monkeypatch.setattr("tracekit.store.sqlite._WAIT", 0.1)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """The file is locked by another connection while the block runs."""
    with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def large(number: int) -> bytes:
    """A frame of about 2 KB with a number."""
    return chunk({"content": f"{number} " + "x" * 2000})


class _Finished:
    """A plugin that tells when a trace is stored to its end."""

    def __init__(self) -> None:
        self.told = threading.Event()

    @hookimpl
    def tracekit_trace_finished(self) -> None:
        self.told.set()


def frames_of(told: list[EventRecord]) -> list[EventRecord]:
    return [one for one in told if one.event_type == "stream.frame"]


def test_a_lock_that_is_held_for_a_while_costs_nothing(sqlite_url: str):
    """Below the limit everything waits in memory, and is written when the lock is gone, without anybody asking."""
    finished = _Finished()
    with recording(sqlite_url, plugins=[finished]) as recorder:
        with locked(sqlite_url):
            outcome = run(
                TraceMiddleware(streams(start(), *map(body, map(event, range(200))), body(DONE), END), recorder)
            )
            assert not recorder.flush(0.5).complete
            assert recorder.health().status == "failing"
        assert finished.told.wait(7)
        trace = only_trace(recorder)
        assert stored_body(recorder, trace.trace_id) == outcome.body
        assert (trace.end_reason, trace.events_dropped) == ("completed", 0)
        assert recorder.health().database.problem is None
        assert recorder.budget.waiting == 0


@pytest.fixture
def flooded(sqlite_url: str) -> Iterator[tuple[Recorder, list[bytes], int]]:
    """A recorder with a buffer of 1 MiB that got 2.5 MB of one stream while its file was locked; what the app sent, and
    the most that waited."""
    sent = [large(number) for number in range(1200)] + [USAGE, DONE]
    most = 0

    with recording(sqlite_url, buffer_bytes=LIMIT, spool_bytes=0) as recorder:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal most
            await receive()
            await send(start())
            for number, part in enumerate(sent):
                await send(body(part))
                most = max(most, recorder.budget.waiting)
                if number % 400 == 0:
                    # A try that fails in between must not make room that is not there.
                    await asyncio.to_thread(recorder.flush, 0.15)
            await send(END)

        with locked(sqlite_url):
            run(TraceMiddleware(app, recorder))
            assert not recorder.flush(0.2).complete
        assert recorder.flush(10).complete
        yield recorder, sent, most


def test_memory_stays_within_its_bound(flooded: tuple[Recorder, list[bytes], int]):
    """However long the database is away and however often it is tried, no more waits than may, but for the last few
    messages that are kept aside."""
    recorder, _, most = flooded
    assert most <= LIMIT + 8 * (16 * 1024 + ENTRY_OVERHEAD) + ENDING
    assert recorder.budget.waiting == 0


def test_payloads_go_first_and_then_frames_and_never_the_end(flooded: tuple[Recorder, list[bytes], int]):
    """First whole frames, then frames without their bytes, then a gap, then the last frames, the usage and the end."""
    recorder, sent, _ = flooded
    trace = only_trace(recorder)
    told = events(recorder, trace.trace_id)
    frames = frames_of(told)
    whole = [frame.raw for frame in frames if frame.cut is None]
    emptied = [frame.cut for frame in frames if frame.cut is not None]
    tail = len(whole) - next(i for i, frame in enumerate(frames) if frame.cut is not None)
    assert whole[:-tail] == sent[: len(whole) - tail]
    assert {cut.length for cut in emptied} <= {len(part) for part in sent}
    assert {cut.sha256 for cut in emptied} == {None}
    assert b"".join(raw for raw in whole[-tail:] if raw is not None).endswith(USAGE + DONE)
    types = [one.event_type for one in told]
    assert types.count("trace.truncated") == 1
    assert types.index("trace.truncated") > types.index("stream.frame")
    assert types[-1] == "trace.finished"
    assert "usage" in types
    assert (trace.end_reason, trace.input_tokens, trace.output_tokens) == ("completed", 5, 7)


def test_what_was_sent_is_what_is_stored_and_what_is_dropped(flooded: tuple[Recorder, list[bytes], int]):
    """By the public counters, exactly: frames and bytes."""
    recorder, sent, _ = flooded
    trace = only_trace(recorder)
    told = events(recorder, trace.trace_id)
    (gap,) = [one.payload for one in told if one.event_type == "trace.truncated"]
    assert gap is not None
    # The last body message brings a usage and an end: two frames.
    assert len(frames_of(told)) + gap["messages"] == len(sent) + 1
    assert gap["messages"] > 0
    assert trace.events_dropped == gap["messages"]
    assert trace.events_seen == trace.events_stored + trace.events_dropped
    assert trace.events_stored == len(told) == trace.last_seq
    assert trace.bytes_dropped == gap["bytes"]
    assert trace.bytes_seen == sum(map(len, sent))
    assert not recorder.store.is_exact(trace.trace_id)


def test_a_frame_is_not_glued_together_across_a_gap(sqlite_url: str):
    """Where messages are missing, the part of a frame before them and the part after them make no frame."""
    begin, end = b'data: {"first": 0, "x": "', b'", "second": 1}\n\n'
    lost = [b"x" * 1000, b'", "second": 0}\n\n', *[event(number) for number in range(30)], b'data: {"first": 1, "x": "']
    # As many messages as are kept aside for the end, the first of which is the end of a frame.
    kept = [end, *[event(number) for number in range(7)]]

    with recording(sqlite_url, buffer_bytes=LIMIT, spool_bytes=0) as recorder:
        flood = TraceMiddleware(streams(start(), *map(body, map(large, range(1500))), END), recorder)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(start())
            await send(body(begin))
            await exchange(flood, Wire([request()]))
            for part in (*lost, *kept):
                await send(body(part))
            await send(END)

        with locked(sqlite_url):
            run(TraceMiddleware(app, recorder), scope=http_scope("/gap"))
        (trace,) = [trace for trace in traces(recorder) if trace.path == "/gap"]
        told = events(recorder, trace.trace_id)
        found = [(one.event_type, one.raw) for one in told if one.event_type in ("stream.frame", "trace.truncated")]
        assert found[0] == ("stream.frame", begin)
        assert found[1] == ("trace.truncated", None)
        assert [raw for _, raw in found[2:]] == kept


def test_after_the_flood_the_next_trace_is_whole(flooded: tuple[Recorder, list[bytes], int]):
    """It catches up by itself and drops nothing more."""
    recorder, sent, _ = flooded
    run(TraceMiddleware(streams(start(), *map(body, sent[:100]), body(DONE), END), recorder))
    trace = traces(recorder)[-1]
    assert (trace.events_dropped, trace.frames) == (0, 102)
    assert recorder.store.is_exact(trace.trace_id)


def test_many_streams_share_the_bound(sqlite_url: str):
    """Each keeps its beginning and its end; together they stay within the limit, but for the few last frames that
    each may keep aside."""
    count = 20
    sent = [large(number) for number in range(200)] + [DONE]
    most = 0

    with recording(sqlite_url, buffer_bytes=LIMIT, spool_bytes=0) as recorder:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal most
            await receive()
            await send(start())
            for part in sent:
                await send(body(part))
                most = max(most, recorder.budget.waiting)
            await send(END)

        async def main() -> None:
            wrapped = TraceMiddleware(app, recorder)
            await asyncio.gather(*[exchange(wrapped, Wire([request()]), http_scope()) for _ in range(count)])

        with locked(sqlite_url):
            asyncio.run(main())
        found = traces(recorder)
        assert [trace.end_reason for trace in found] == ["completed"] * count
        assert [trace.bytes_seen for trace in found] == [sum(map(len, sent))] * count
        for trace in found:
            types = event_types(recorder, trace.trace_id)
            assert types[-1] == "trace.finished"
            assert trace.events_seen == trace.events_stored + trace.events_dropped
        assert most <= LIMIT + count * 8 * 16 * 1024
        assert recorder.budget.waiting == 0


def test_events_of_the_app_are_dropped_too_and_counted(sqlite_url: str):
    """What an app logs waits within the same bound; an error and the end are always kept."""
    with recording(sqlite_url, buffer_bytes=LIMIT, spool_bytes=0) as recorder:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start())
            for number in range(2000):
                scope["tracekit.trace"].log("test.note", number=number, text="x" * 1000)
            raise ValueError("the end")

        with locked(sqlite_url):
            outcome = run(TraceMiddleware(app, recorder))
            assert isinstance(outcome.raised, ValueError)
            assert recorder.budget.waiting <= LIMIT + 16 * 1024
        trace = only_trace(recorder)
        types = event_types(recorder, trace.trace_id)
        assert types[-3:] == ["error", "trace.truncated", "trace.finished"] or types[-2:] == ["error", "trace.finished"]
        assert types.count("test.note") + trace.events_dropped == 2000
        assert trace.end_reason == "app_error"
