"""Times: when the first of everything came, how long it was silent, and how long a slow client held it up."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from asgi import END, Wire, body, exchange, request, run, start
from chat_events import DONE, chunk, event
from recorders import events, only_trace, recording, traces
from serving import RawClient, serve

from tracekit import Recorder, TraceMiddleware

PING = b": ping\n\n"
ROLE = chunk({"role": "assistant"})
MS = 1000
"""Microseconds."""


def timed(*script: bytes | float) -> Any:
    """An app that sends the bytes and sleeps the seconds of a script."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        for one in script:
            if isinstance(one, float):
                await asyncio.sleep(one)
            else:
                await send(body(one))
        await send(END)

    return app


def test_the_four_first_times_come_one_after_the_other(sqlite_url: str):
    """A keepalive is a first byte and no first frame; a frame without text is no first content."""
    with recording(sqlite_url) as recorder:
        run(TraceMiddleware(timed(0.01, PING, 0.02, ROLE, 0.02, event(1), 0.02, DONE), recorder))
        trace = only_trace(recorder)
        assert trace.first_byte_us is not None
        assert trace.first_frame_us is not None
        assert trace.first_content_us is not None
        assert trace.first_delivered_us is not None
        assert trace.first_byte_us >= 10 * MS
        assert trace.first_frame_us >= trace.first_byte_us + 20 * MS
        assert trace.first_content_us >= trace.first_frame_us + 20 * MS
        assert trace.first_frame_us <= trace.first_delivered_us < trace.first_content_us
        assert trace.duration_ms is not None
        assert trace.duration_ms >= 70
        assert (trace.keepalives, trace.frames) == (1, 4)


def test_every_event_has_its_own_time_and_none_goes_back(sqlite_url: str):
    """Offsets are those of the moments at which the app sent, whatever was packed together."""
    with recording(sqlite_url) as recorder:
        run(TraceMiddleware(timed(event(1), 0.02, event(2) + event(3), 0.02, event(4)), recorder))
        trace = only_trace(recorder)
        told = events(recorder, trace.trace_id)
        offsets = [one.offset_us for one in told]
        assert offsets == sorted(offsets)
        assert [one.seq for one in told] == list(range(1, len(told) + 1))
        assert all(one.timestamp == trace.started_at + one.offset_us for one in told)
        first, second, third, fourth = [one.offset_us for one in told if one.event_type == "stream.frame"]
        assert second == third
        assert second - first >= 20 * MS
        assert fourth - third >= 20 * MS


def test_keepalives_end_no_silence(sqlite_url: str):
    """The longest silence is that between frames, the wait for the first one included."""
    with recording(sqlite_url) as recorder:
        run(TraceMiddleware(timed(event(1), 0.03, PING, 0.03, PING, 0.03, event(2), 0.02, event(3)), recorder))
        trace = only_trace(recorder)
        assert trace.longest_silence_us >= 90 * MS
        assert trace.keepalives == 2
        run(TraceMiddleware(timed(0.06, event(1), event(2)), recorder))
        assert traces(recorder)[-1].longest_silence_us >= 60 * MS


def test_a_client_that_is_slow_to_take_is_told_from_an_app_that_is_slow_to_say(sqlite_url: str):
    """The time for which `send` was held up is summed, and the first frame counts as delivered when it was taken."""

    class Slow(Wire):
        async def send(self, message: Any) -> None:
            await asyncio.sleep(0.02)
            await super().send(message)

    with recording(sqlite_url) as recorder:
        asyncio.run(exchange(TraceMiddleware(timed(event(1), event(2), event(3)), recorder), Slow([request()])))
        trace = only_trace(recorder)
        assert trace.send_blocked_us >= 60 * MS
        assert trace.first_frame_us is not None
        assert trace.first_delivered_us is not None
        assert trace.first_delivered_us >= trace.first_frame_us + 20 * MS


def test_back_pressure_of_a_real_client_reaches_the_app(sqlite_url: str):
    """A client that does not read stops the app in `send`; the record says for how long."""
    large = b"data: " + b"x" * 65_000 + b"\n\n"
    sent = threading.Semaphore(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        for _ in range(200):
            await send(body(large))
            sent.release()
        await send(END)

    with recording(sqlite_url) as recorder, serve(TraceMiddleware(app, recorder)) as served:
        client = RawClient(served.port, receive_buffer=65536)
        client.ask(connection="close")
        # What the app can send before it is held up is what fits into the buffers on the way.
        while sent.acquire(timeout=0.1):
            pass
        client.read_to_end()
        served.wait_for(1)
        trace = only_trace(recorder)
        assert trace.send_blocked_us >= 90 * MS
        assert (trace.frames, trace.bytes_seen, trace.events_dropped) == (200, 200 * len(large), 0)


IDLE = {"task_trace_idle_timeout_ms": 100}


def test_a_silence_past_the_limit_marks_the_trace_while_it_lasts(sqlite_url: str):
    """It can be seen from outside that the stream stalls; a keepalive does not end that, the next frame does."""
    states = []

    with recording(sqlite_url, IDLE) as recorder:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(start())
            await send(body(event(1)))
            states.append(await stalled(recorder, True))
            await send(body(PING))
            states.append(await stalled(recorder, True))
            await send(body(event(2)))
            states.append(await stalled(recorder, False))
            await send(END)

        run(TraceMiddleware(app, recorder))
        trace = only_trace(recorder)
        assert states == [True, True, False]
        told = [one for one in events(recorder, trace.trace_id) if one.event_type.startswith("stream.")]
        assert [one.event_type for one in told] == [
            "stream.frame", "stream.idle", "stream.keepalive", "stream.resumed", "stream.frame",
        ]  # fmt: skip
        frame, idle, _, resumed, _ = told
        assert idle.payload == {"silence_us": 100 * MS}
        assert idle.offset_us == frame.offset_us + 100 * MS
        assert resumed.payload is not None
        assert resumed.payload["silence_us"] == resumed.offset_us - frame.offset_us
        assert resumed.payload["keepalives"] == 1
        assert trace.stalled is False
        assert trace.longest_silence_us == resumed.payload["silence_us"]


async def stalled(recorder: Recorder, expected: bool) -> bool:
    """Whether the newest trace is marked as stalled, as soon as it is as expected; after 5 seconds whatever it is."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        recorder.flush(5)
        found = [trace.stalled for trace in recorder.store.list_traces().items]
        if found == [expected]:
            break
        await asyncio.sleep(0.01)
    return found[0]


def test_a_silence_that_is_over_when_it_is_looked_at_is_told_all_the_same(sqlite_url: str):
    """With a writer that comes round seldom, the events stand where they belong."""
    with recording(sqlite_url, {**IDLE, "task_trace_flush_interval_ms": 10_000}) as recorder:
        run(TraceMiddleware(timed(event(1), 0.15, event(2), 0.01, event(3)), recorder))
        trace = only_trace(recorder)
        told = [one for one in events(recorder, trace.trace_id) if one.event_type.startswith("stream.")]
        assert [one.event_type for one in told] == [
            "stream.frame", "stream.idle", "stream.resumed", "stream.frame", "stream.frame",
        ]  # fmt: skip
        assert all(one.offset_us <= next_one.offset_us for one, next_one in pairwise(told))


@pytest.mark.parametrize("script", [(0.15, event(1)), (event(1), 0.15)], ids=["before-the-first", "after-the-last"])
def test_a_silence_at_either_end_counts(sqlite_url: str, script: tuple[bytes | float, ...]):
    """The wait for the first frame, and that between the last one and the end."""
    with recording(sqlite_url, IDLE) as recorder:
        run(TraceMiddleware(timed(*script), recorder))
        trace = only_trace(recorder)
        assert trace.longest_silence_us >= 150 * MS
        assert trace.stalled is False
        assert [one.event_type for one in events(recorder, trace.trace_id)].count("stream.idle") == 1
