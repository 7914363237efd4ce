"""`recorder.trace`: jobs, workers and scripts, recorded like requests."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from asgi import END, body, run, start
from chat_events import event
from recorded_runs import recorded
from recorders import recording, traces
from serving import environment_of_tests

import tracekit
from tracekit import Recorder, TraceMiddleware, current_trace


def test_a_block_is_a_run(sqlite_recorder: Recorder):
    """It has a name and a session, is found like a request, and ends with its block."""
    with sqlite_recorder.trace("nightly-import", session_id="s-1") as trace:
        assert current_trace() is trace
        assert trace.recording
        trace.log("persist.progress", saved=3)
    assert current_trace().recording is False
    told = recorded(sqlite_recorder, trace.trace_id)
    row = told.trace
    assert (row.name, row.session_id, row.status, row.end_reason) == (
        "nightly-import", "s-1", "completed", "completed",
    )  # fmt: skip
    assert (row.path, row.method, row.http_status, row.enabled_by, row.parent_trace_id) == (
        None, None, None, "run", None,
    )  # fmt: skip
    assert row.root_trace_id == row.trace_id
    assert told.types == ["persist.progress"]
    assert row.duration_ms == (row.ended_at - row.started_at) // 1000


def test_the_async_form_does_the_same(sqlite_recorder: Recorder):
    """Several at once in one loop, each with its own events."""

    async def work(number: int) -> str | None:
        async with sqlite_recorder.trace(f"run {number}") as trace:
            await asyncio.sleep(0.001)
            current_trace().log("test.number", number=number)
        return trace.trace_id

    async def main() -> list[str | None]:
        return list(await asyncio.gather(*map(work, range(5))))

    for number, trace_id in enumerate(asyncio.run(main())):
        told = recorded(sqlite_recorder, trace_id)
        assert (told.trace.name, told.payloads("test.number")) == (f"run {number}", [{"number": number}])


def test_the_first_event_says_which_process_it_is(sqlite_url: str):
    """Pid, host, role, code version and instance; what the run itself says goes before the options."""
    with recording(sqlite_url, role="worker", version="1.4.2") as recorder:
        with recorder.trace("plain") as plain:
            pass
        with recorder.trace("special", role="planner", instance_id="planner-7", version="x" * 500) as special:
            pass
        first = [recorded(recorder, trace.trace_id).events[0] for trace in (plain, special)]
        process_id = recorder.process_id
    here = {"pid": os.getpid(), "host": socket.gethostname()}
    assert [(event.seq, event.event_type) for event in first] == [(1, "process.started")] * 2
    assert first[0].payload == {**here, "role": "worker", "version": "1.4.2", "instance_id": process_id}
    assert first[1].payload == {**here, "role": "planner", "version": "x" * 128, "instance_id": "planner-7"}


class _Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "status", "end_reason"),
    [
        (ValueError("broken"), "failed", "app_error"),
        (_Silent(), "failed", "app_error"),
        (ExceptionGroup("several", [ValueError("a")]), "failed", "app_error"),
        (asyncio.CancelledError(), "cancelled", "server_cancelled"),
        (KeyboardInterrupt(), "cancelled", "server_cancelled"),
        (SystemExit(), "completed", "completed"),
        (SystemExit(0), "completed", "completed"),
        (SystemExit(3), "failed", "app_error"),
    ],
    ids=repr,
)
def test_what_a_block_raises_goes_on_and_says_how_the_run_ended(
    sqlite_recorder: Recorder, error: BaseException, status: str, end_reason: str
):
    """The very exception; a script that leaves by `sys.exit()` has done its work."""
    with pytest.raises(type(error)) as caught, sqlite_recorder.trace("run") as trace:
        raise error
    assert caught.value is error
    told = recorded(sqlite_recorder, trace.trace_id)
    assert (told.trace.status, told.trace.end_reason) == (status, end_reason)
    assert len(told.payloads("error")) == (status == "failed")
    assert (told.trace.reason_code is None) == (status == "completed")


@pytest.mark.parametrize(
    "settings", [{"task_trace_enabled": False}, {"task_trace_env": "prod"}], ids=["switched off", "another environment"]
)
def test_where_the_settings_say_no_the_block_runs_unrecorded(sqlite_url: str, settings: dict[str, Any]):
    """It gets an object that takes everything and keeps nothing; spans and milestones in it are nothing."""
    with recording(sqlite_url, settings) as recorder:
        with recorder.trace("run") as trace, tracekit.span("step") as step, trace.phase("load"):
            step.set_input(1)
            trace.retry(2)
            trace.annotate(session_id="s")
        assert (trace.recording, trace.trace_id) == (False, None)
        assert traces(recorder) == []
        assert recorder.budget.waiting == 0


def test_admin_only_is_about_requests(sqlite_url: str):
    """Nobody asks for a job, so nobody has to be an admin."""
    with recording(sqlite_url, {"task_trace_admin_only": True}) as recorder:
        with recorder.trace("run"):
            pass
        assert [trace.name for trace in traces(recorder)] == ["run"]


def test_ids_may_be_told_at_any_time(sqlite_recorder: Recorder):
    """What a run learns of its conversation on the way stands in its row, also while it runs."""
    with sqlite_recorder.trace("run", session_id="first") as trace:
        assert recorded_row(sqlite_recorder, trace).session_id == "first"
        trace.annotate(session_id="second", message_id="m")
        trace.log("test.more")
        row = recorded_row(sqlite_recorder, trace)
        assert (row.session_id, row.message_id) == ("second", "m")
        trace.annotate(client_message_id="c")
    row = recorded(sqlite_recorder, trace.trace_id).trace
    assert (row.session_id, row.message_id, row.client_message_id) == ("second", "m", "c")


def recorded_row(recorder: Recorder, trace: Any) -> Any:
    """The row of a trace that runs."""
    assert recorder.flush(10).complete
    return recorder.store.get(trace.trace_id)


def test_a_run_inside_a_run_is_its_child(sqlite_recorder: Recorder):
    """Also three deep: each knows its parent, the span it began in, and the root of them all."""
    with (
        sqlite_recorder.trace("a") as a,
        tracekit.span("step") as step,
        sqlite_recorder.trace("b") as b,
        sqlite_recorder.trace("c") as c,
    ):
        pass
    rows = {trace.name: trace for trace in traces(sqlite_recorder)}
    found = {name: (row.parent_trace_id, row.parent_span_id, row.root_trace_id) for name, row in rows.items()}
    assert found == {
        "a": (None, None, a.trace_id),
        "b": (a.trace_id, step.span_id, a.trace_id),
        "c": (b.trace_id, None, a.trace_id),
    }
    assert c.trace_id == rows["c"].trace_id
    assert [child.name for child in sqlite_recorder.store.children(str(a.trace_id))] == ["b"]


def test_a_run_inside_a_request_is_its_child(sqlite_recorder: Recorder):
    """An endpoint that starts a job; and a request that a run makes within the process is the run's child."""
    runs: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        with sqlite_recorder.trace("job") as job:
            runs.append(job)
        await send(body(event(1)))
        await send(END)

    async def around() -> None:
        async with sqlite_recorder.trace("outer"):
            await TraceMiddleware(app, sqlite_recorder)(*_exchange())

    request = run(TraceMiddleware(app, sqlite_recorder)).header("x-trace-id")
    asyncio.run(around())
    rows = {(trace.name, trace.trace_id): trace for trace in traces(sqlite_recorder)}
    assert rows["job", runs[0].trace_id].parent_trace_id == request
    inner, outer = rows["job", runs[1].trace_id], next(row for (name, _), row in rows.items() if name == "outer")
    asked = sqlite_recorder.store.get(str(inner.parent_trace_id))
    assert (asked.path, asked.parent_trace_id, inner.root_trace_id) == ("/chat", outer.trace_id, outer.trace_id)


def _exchange() -> tuple[Any, Any, Any]:
    from asgi import Wire, http_scope, request

    wire = Wire([request()])
    return http_scope(), wire.receive, wire.send


def test_a_run_in_each_of_many_threads(sqlite_recorder: Recorder):
    """Threads do not share a current trace."""
    told: dict[int, str | None] = {}

    def work(number: int) -> None:
        with sqlite_recorder.trace(f"run {number}") as trace, tracekit.span(f"step {number}"):
            time.sleep(0.005)
            told[number] = trace.trace_id

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, trace_id in told.items():
        assert recorded(sqlite_recorder, trace_id).tree() == {f"step {number}": None}


def test_a_clock_that_goes_backwards_leaves_the_order_of_things(
    sqlite_recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    """The wall clock is read once, at the start; from there on the monotonic clock counts."""
    real, shift = time.time_ns, 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + shift)
    with sqlite_recorder.trace("run") as trace, tracekit.span("outer"):
        for hours in (-5, 3, -1000):
            shift = hours * 3_600_000_000_000
            with tracekit.span(f"{hours}"):
                trace.log("test.turned")
        assert sqlite_recorder.flush(10).complete
    shift = 0
    told = recorded(sqlite_recorder, trace.trace_id)
    offsets = [one.offset_us for one in told.events]
    assert offsets == sorted(offsets)
    assert 0 <= offsets[0] <= offsets[-1] < 60_000_000
    assert all(0 <= span["ended_at"] - span["started_at"] < 60_000_000 for span in told.spans)
    assert 0 <= told.trace.duration_ms < 60_000


@pytest.mark.parametrize("step", ["append_event", "finalize", "close"])
def test_a_fault_in_recording_does_not_reach_the_work(
    sqlite_recorder: Recorder, monkeypatch: pytest.MonkeyPatch, step: str
):
    """The block runs to its end, and the fault is counted."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(f"tracekit.trace.TaskTraceRecorder.{step}", broken)
    done = []
    with sqlite_recorder.trace("run"):
        done.append(True)
    assert done == [True]
    assert sqlite_recorder.health().drops.internal_errors == 1


SCRIPT = """
import sys, tracekit
recorder = tracekit.Recorder.from_env()
with recorder.trace("script") as trace, tracekit.span("work"):
    trace.log("test.said", at="once")
print(trace.trace_id)
"""


def test_a_script_that_ends_at_once_is_recorded(sqlite_url: str):
    """Before its settings are read it may be over already; it waits at its exit until it is written."""
    settings = {"TRACEKIT_DATABASE_URL": sqlite_url, "TASK_TRACE_ENABLED": "1", "TRACEKIT_ROLE": "script"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False,
        env=environment_of_tests(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with recording(sqlite_url) as recorder:
        told = recorded(recorder, done.stdout.strip())
    assert told.types == ["span.started", "test.said", "span.finished"]
    assert (told.trace.status, told.events[0].payload["role"]) == ("completed", "script")
