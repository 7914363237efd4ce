"""Limits of one trace: how many events are stored, and how long a payload may be."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from asgi import END, Wire, body, request, run, start, streams
from chat_events import DONE, USAGE, chunk, event
from recorders import body as stored_body
from recorders import events, frames, only_trace, recording, traces, written

from tracekit import TraceMiddleware


def test_a_full_trace_keeps_its_beginning_its_last_frames_and_its_end(sqlite_url: str):
    """Never more events than the setting says; what is left out is told with its number and its bytes."""
    parts = [event(number) for number in range(1000)] + [USAGE, DONE]
    with recording(sqlite_url, {"task_trace_max_events": 300}) as recorder:
        outcome = run(TraceMiddleware(streams(start(), *map(body, parts), END), recorder))
        assert outcome.body == b"".join(parts)
        trace = only_trace(recorder)
        told = events(recorder, trace.trace_id)
        assert len(told) == trace.events_stored == trace.last_seq <= 300
        assert [one.seq for one in told] == list(range(1, len(told) + 1))
        stored = frames(recorder, trace.trace_id)
        first = stored[: len(stored) - 50]
        assert first == parts[: len(first)]
        assert len(first) > 150
        assert b"".join(stored[-50:]) == b"".join(parts)[-len(b"".join(stored[-50:])) :]
        (truncated,) = [one.payload for one in told if one.event_type == "trace.truncated"]
        assert truncated is not None
        assert truncated["reason"] == "max_events"
        assert truncated["events"] == trace.events_dropped == trace.events_seen - trace.events_stored
        assert truncated["bytes"] == trace.bytes_dropped == len(b"".join(parts)) - len(b"".join(stored))
        assert told[-1].event_type == "trace.finished"
        assert {"usage", "llm_call.completed"} <= {one.event_type for one in told}
        assert (trace.end_reason, trace.frames, trace.bytes_seen) == ("completed", 1003, len(b"".join(parts)))
        assert (trace.input_tokens, trace.output_tokens) == (5, 7)
        # The answer is what the chat said, not what fits into the events.
        assert recorder.store.texts(trace.trace_id).answer == "".join(f"{number} " for number in range(1000))
        assert not recorder.store.is_exact(trace.trace_id)


@pytest.mark.parametrize("count", [0, 1, 40, 90, 100, 110, 150, 200, 250, 400])
def test_the_bound_holds_wherever_the_stream_ends(sqlite_url: str, count: int):
    """Just before, at and after the places where the trace becomes full."""
    parts = [event(number) for number in range(count)]
    with recording(sqlite_url, {"task_trace_max_events": 200}) as recorder:
        run(TraceMiddleware(streams(start(), *map(body, parts), END), recorder))
        trace = only_trace(recorder)
        told = events(recorder, trace.trace_id)
        assert len(told) == trace.events_stored <= 200
        assert [one.seq for one in told] == list(range(1, len(told) + 1))
        assert told[-1].event_type == "trace.finished"
        stored = frames(recorder, trace.trace_id)
        assert len(stored) + sum(one.payload["events"] for one in told if one.event_type == "trace.truncated") == count
        if count <= 90:
            assert stored_body(recorder, trace.trace_id) == b"".join(parts)


def test_an_app_that_logs_without_end_fills_its_trace_and_no_more(sqlite_url: str):
    """Events of the app count like all others; errors and the end always fit."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for number in range(1000):
            scope["tracekit.trace"].log("test.note", number=number)
            scope["tracekit.trace"].log("error", number=number)
        await send(body(event(1)))
        raise ValueError("the end")

    with recording(sqlite_url, {"task_trace_max_events": 200}) as recorder:
        run(TraceMiddleware(app, recorder))
        trace = only_trace(recorder)
        told = events(recorder, trace.trace_id)
        assert len(told) == trace.events_stored <= 200
        assert trace.events_seen == trace.events_stored + trace.events_dropped
        assert told[-1].event_type == "trace.finished"
        assert trace.end_reason == "app_error"
        assert event(1) in frames(recorder, trace.trace_id)


def test_a_long_frame_is_cut_with_the_length_and_the_hash_of_the_whole(sqlite_url: str):
    """The client gets all of it; of what is stored the cut is told, so that nobody takes it for the whole."""
    long = chunk({"content": "x" * 5000})
    with recording(sqlite_url, {"task_trace_payload_max_length": 1000}) as recorder:
        outcome = run(TraceMiddleware(streams(start(), body(event(1)), body(long), body(DONE), END), recorder))
        assert outcome.body == event(1) + long + DONE
        trace = only_trace(recorder)
        (cut,) = [one for one in events(recorder, trace.trace_id) if one.cut is not None]
        assert cut.raw == long[:1000]
        assert cut.cut is not None
        assert (cut.cut.length, cut.cut.sha256) == (len(long), hashlib.sha256(long).hexdigest())
        assert (trace.payloads_cut, trace.bytes_seen) == (1, len(outcome.body))
        assert not recorder.store.is_exact(trace.trace_id)


@pytest.mark.parametrize("size", [70_000, 1_500_000])
def test_a_frame_that_comes_in_many_messages_is_cut_alike(sqlite_url: str, size: int):
    """Also one that grows past what is held in memory of an unfinished frame: length and hash are those of it all."""
    long = b"data: " + b"y" * size + b"\n\n"
    parts = [long[begin : begin + 1000] for begin in range(0, len(long), 1000)]
    with recording(sqlite_url, {"task_trace_payload_max_length": 2000}) as recorder:
        run(TraceMiddleware(streams(start(), *map(body, parts), body(DONE), END), recorder))
        trace = only_trace(recorder)
        (cut,) = [one for one in events(recorder, trace.trace_id) if one.cut is not None]
        assert cut.raw == long[:2000]
        assert cut.cut is not None
        assert (cut.cut.length, cut.cut.sha256) == (len(long), hashlib.sha256(long).hexdigest())
        assert trace.bytes_seen == len(long) + len(DONE)


def test_a_long_request_body_is_cut_as_a_payload(sqlite_url: str):
    """The payload of any event is held to the limit; it says how long the whole was, and its hash."""
    sent = json.dumps({"messages": [{"role": "user", "content": "z" * 5000}]}).encode()
    with recording(sqlite_url, {"task_trace_payload_max_length": 1000}) as recorder:
        run(TraceMiddleware(streams(start(), body(event(1)), END), recorder), Wire([request(sent)]))
        trace = only_trace(recorder)
        (received,) = recorder.store.events(trace.trace_id, types=["request.received"]).events
        assert received.payload is not None
        assert received.payload["cut"]["length"] > 5000
        assert len(received.payload["cut"]["sha256"]) == 64
        assert len(json.dumps(received.payload)) <= 1000
        # What was asked is searched for and read as text, which has a limit of its own.
        assert recorder.store.texts(trace.trace_id).prompt == "z" * 5000


def test_a_request_body_past_the_limit_is_kept_to_its_limit(sqlite_url: str):
    """A large upload passes through; its beginning and its length are kept."""
    upload = b"u" * 5000
    with recording(sqlite_url, request_body_bytes=1000) as recorder:
        got = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            got.append((await receive())["body"])
            await send(start())
            await send(END)

        run(TraceMiddleware(app, recorder), Wire([request(upload)]))
        assert got == [upload]
        (received,) = recorder.store.events(only_trace(recorder).trace_id, types=["request.received"]).events
        assert received.payload is not None
        assert (received.payload["body_bytes"], received.payload["body_kept_bytes"]) == (5000, 1000)


def test_limits_that_change_hold_for_the_next_trace(sqlite_url: str):
    """A trace is held to the settings under which it began."""
    parts = [event(number) for number in range(400)]
    app = streams(start(), *map(body, parts), END)
    with recording(sqlite_url) as recorder:
        for most in (200, 1000):
            recorder.settings.update({"task_trace_max_events": most}, by="test")
            run(TraceMiddleware(app, recorder))
            written(recorder)
        short, whole = traces(recorder)
        assert short.events_stored <= 200
        assert whole.events_dropped == 0
