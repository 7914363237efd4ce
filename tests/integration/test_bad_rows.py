"""Rows that a database would refuse: each costs itself alone, and most can be stored after all."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from asgi import END, Wire, body, exchange, request, run, start, streams
from chat_events import event
from recorders import body as stored_body
from recorders import event_types, only_trace, recording, traces

from tracekit import TraceMiddleware
from tracekit.trace import HttpHead, TaskTraceRecorder

# Neither database has an integer of this size.
TOO_LARGE = 1 << 70


def test_one_bad_row_never_costs_its_batch(database_url: str, monkeypatch: pytest.MonkeyPatch):
    """An event at a time that no database holds is refused and counted; the others of its batch are all there."""

    async def poisoned(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(event(1)))
        with monkeypatch.context() as clock:
            clock.setattr(
                "tracekit.trace.time", SimpleNamespace(monotonic_ns=lambda: TOO_LARGE * 1000, time_ns=time.time_ns)
            )
            scope["tracekit.trace"].log("test.poison")
        await send(body(event(2)))
        await send(END)

    good = streams(start(), *map(body, map(event, range(50))), END)

    async def main() -> None:
        apps = [TraceMiddleware(app, recorder) for app in (good, good, poisoned, good, good)]
        await asyncio.gather(*[exchange(app, Wire([request()])) for app in apps])

    # So slow a writer takes all of them in one batch.
    with recording(database_url, {"task_trace_flush_interval_ms": 10_000}) as recorder:
        asyncio.run(main())
        recorder.flush(10)
        found = recorder.store.list_traces().items
        whole = [trace for trace in found if trace.frames == 50]
        assert len(whole) == 4
        assert {trace.end_reason for trace in whole} == {"completed"}
        assert all(event_types(recorder, trace.trace_id).count("stream.frame") == 50 for trace in whole)
        assert recorder.health().drops.refused_events >= 1
        # The next ones are recorded as if nothing had been.
        run(TraceMiddleware(good, recorder))
        assert traces(recorder)[-1].end_reason == "completed"


@pytest.mark.parametrize("status", [TOO_LARGE, -1, "200", None, 1.5, True])
def test_a_status_that_is_none_costs_nothing(database_url: str, status: Any):
    """What an app sends as its status reaches the server, whatever it is; the record has the rest."""
    head = start() | {"status": status}
    with recording(database_url) as recorder:
        outcome = run(TraceMiddleware(streams(head, body(event(1)), END), recorder))
        assert outcome.sent[0]["status"] is status
        trace = only_trace(recorder)
        assert stored_body(recorder, trace.trace_id) == event(1)
        assert recorder.health().drops.refused_events == 0


HOSTILE = ["\0", "\ud800", "a\0b\udfff", "\ufffe\ufeff\u202e", "x" * 30_000, "'; DROP TABLE task_traces; --"]


@pytest.mark.parametrize("text", HOSTILE, ids=["nul", "surrogate", "both", "odd", "long", "sql"])
def test_any_text_in_any_place_is_stored(database_url: str, text: str):
    """Path, ids, types and payloads may hold what databases refuse; the trace is there, and so is its neighbour."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace: TaskTraceRecorder = scope["tracekit.trace"]
        assert isinstance(trace.http, HttpHead)
        trace.http.path = trace.http.client = text
        trace.annotate(session_id=text, message_id=text)
        await send(start(x_odd="1"))
        trace.log(text, **{text: text})
        await send(body(b"data: " + text.encode("utf-8", "surrogatepass") + b"\n\n"))
        raise ValueError(text)

    with recording(database_url) as recorder:
        run(TraceMiddleware(app, recorder))
        run(TraceMiddleware(streams(start(), body(event(1)), END), recorder))
        first, second = traces(recorder)
        assert (first.end_reason, second.end_reason) == ("app_error", "completed")
        assert stored_body(recorder, first.trace_id) == b"data: " + text.encode("utf-8", "surrogatepass") + b"\n\n"
        assert recorder.health().drops.refused_events == 0
