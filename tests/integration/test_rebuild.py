"""What is derived can be made anew from the events, and comes out the same."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest
from asgi import END, body, run, start, streams
from chat_events import DONE, FAILURE, USAGE, chunk, event
from command_line import on
from recorded_runs import SPANS, TRACES
from recorders import EVERYTHING, recording, written
from sqlalchemy import delete, select, update
from trace_rows import change_trace

import tracekit
from tracekit import Recorder, TraceMiddleware
from tracekit.config import SystemSettings
from tracekit.ids import new_id
from tracekit.ingestion import Ingestion, ToldEnd, ToldTrace
from tracekit.store import Database
from tracekit.store.rebuild import rebuild
from tracekit.types import EndReason
from tracekit_admin.ingest_schemas import IngestEvent, IngestSpan

Rows = dict[Any, dict[str, Any]]

CALLS = b"".join(
    chunk({"tool_calls": [{"index": place, "id": f"call_{place}", "function": {"name": "look", "arguments": "{}"}}]})
    for place in range(2)
)
DERIVED = (
    "status", "end_reason", "reason_code", "ended_at", "duration_ms", "frames", "keepalives", "events_seen",
    "events_stored", "events_dropped", "bytes_stored", "bytes_dropped", "payloads_cut", "tool_calls",
    "last_seq", "last_event_at",
)  # fmt: skip


def answers(recorder: Recorder) -> None:
    """Answers of every kind of ending."""

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in (start(), body(event(1)), body(b": ping\n\n")):
            await send(message)
        raise RuntimeError("half-way")

    for app in (
        streams(start(), body(event(1)), body(b": ping\n\n"), body(USAGE + DONE), END),
        streams(start(), body(CALLS), body(chunk({}, "tool_calls")), END),
        streams(start(), *(body(event(number)) for number in range(400)), body(DONE), END),
        streams(start(), body(event(1)), body(FAILURE), END),
        streams(start(), body(b"data: " + b"x" * 100_000 + b"\n\n"), body(b"data: no end"), END),
        breaks,
    ):
        with suppress(RuntimeError):
            run(TraceMiddleware(app, recorder))


def jobs(recorder: Recorder) -> None:
    """Runs with steps that end well, badly, and not at all."""
    with recorder.trace("import") as trace, trace.phase("copy"):
        with tracekit.span("outer", layer="L1") as outer, tracekit.span("inner", kind="io") as inner:
            inner.set_input({"n": "x" * 100_000})
            inner.add_artifact("page", "https://example.org/page")
            outer.heartbeat()
        with suppress(TimeoutError), tracekit.span("late", layer="L2"):
            raise TimeoutError("too late")
        with tracekit.tool_call("search", {"q": "x"}) as call:
            call.result = {"found": 3}
        tracekit.span("never ended").start()


def told(database: Database, recorder: Recorder) -> None:
    """What another program tells."""
    ingestion = Ingestion(database, recorder.plugins, SystemSettings(**EVERYTHING), "dev")
    span = IngestSpan(span_id="1" * 16, step_name="fetch", status="failed", error="connection refused")
    ended = ToldEnd(EndReason.APP_ERROR, error="no answer")
    ingestion.take([ToldTrace(new_id(), events=[IngestEvent(type="log")], spans=[span], end=ended)])


@pytest.fixture
def recorded(database: Database, database_url: str) -> Database:
    """A database with traces of every kind, all of them ended."""
    with recording(database_url, {"task_trace_max_events": 300, "task_trace_payload_max_length": 4096}) as recorder:
        answers(recorder)
        jobs(recorder)
        told(database, recorder)
        written(recorder)
    return database


def rows(database: Database) -> tuple[Rows, Rows]:
    """The rows of traces and of spans, by their keys."""
    with database.reading() as connection:
        traces = {row["id"]: dict(row) for row in connection.execute(select(TRACES)).mappings()}
        spans = {(row["trace_key"], row["span_id"]): dict(row) for row in connection.execute(select(SPANS)).mappings()}
    return traces, spans


def test_rows_that_are_right_stay_as_they_are(recorded: Database) -> None:
    """Nothing is written where the events say what the rows say."""
    before = rows(recorded)
    assert len(before[0]) == 8
    assert list(rebuild(recorded)) == []
    assert rows(recorded) == before


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_are_wrong_are_made_right(recorded: Database, seed: int) -> None:
    """Counters, endings and steps, whatever was made of them; what cannot be derived is left alone."""
    chance = random.Random(seed)
    before = rows(recorded)
    wrong = {name: None if "status" not in name and chance.random() < 0.1 else 7 for name in DERIVED}
    wrong |= {"status": "running", "end_reason": "completed", "reason_code": "NOBODY"}
    wrong = {name: value for name, value in wrong.items() if value is not None}
    with recorded.writing() as connection:
        connection.execute(update(TRACES).values(wrong))
        for key, span_id in chance.sample(sorted(before[1]), 3):
            chosen = SPANS.c.trace_key == key, SPANS.c.span_id == span_id
            connection.execute(
                delete(SPANS).where(*chosen)
                if chance.random() < 0.5
                else update(SPANS).where(*chosen).values(status="queued", step_name="?", ended_at=None)
            )
    found = list(rebuild(recorded))
    assert rows(recorded) == before
    assert {one.trace_id for one in found} == {row["trace_id"] for row in before[0].values()}
    assert sum(one.spans for one in found) == 3


def test_a_trace_that_runs_or_has_lost_its_payloads_is_left_alone(recorded: Database) -> None:
    """One is in somebody's memory, and of the other the row is all there is."""
    first, second, *_ = [row["trace_id"] for row in rows(recorded)[0].values()]
    change_trace(recorded, first, closed=False, frames=99)
    change_trace(recorded, second, payloads_deleted=True, frames=99)
    assert list(rebuild(recorded)) == []
    traces = {row["trace_id"]: row["frames"] for row in rows(recorded)[0].values()}
    assert (traces[first], traces[second]) == (99, 99)


def test_the_doctor_rebuilds_when_told_to(recorded: Database) -> None:
    """And says of which traces what it mended; without being told it changes nothing."""
    before = rows(recorded)
    key, row = next(iter(before[0].items()))
    trace_id = row["trace_id"]
    change_trace(recorded, trace_id, frames=99)
    on(recorded, "doctor")
    assert rows(recorded)[0][key]["frames"] == 99
    done = on(recorded, "doctor", "--rebuild")
    assert rows(recorded) == before
    assert any(record[0] == "rebuild" and trace_id in " ".join(record) for record in done.records), done.out
    again = on(recorded, "doctor", "--rebuild")
    assert any(record[0] == "rebuild" and "as the events say" in " ".join(record) for record in again.records)
