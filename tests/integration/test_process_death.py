"""A process that is killed leaves traces that are whole as far as they go, and that say what became of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from chat_events import events
from command_line import tracekit as command
from process_rows import let_time_pass
from recorded_runs import recorded, span_rows
from recorders import ENVIRONMENT, event_types, only_trace, recording, written
from recorders import body as stored_body
from serving import RawClient, environment_of_tests, serve_in_process
from sqlalchemy import text
from trace_rows import Single, write_trace

import tracekit
from tracekit import Recorder
from tracekit.errors import StoreUnavailable
from tracekit.ids import new_id
from tracekit.liveness import DEAD_AFTER_S, HEARTBEAT_S, ProcessRegistry
from tracekit.store import Database, Texts, TraceStore
from tracekit.types import EndReason

SENT = events(3)


@pytest.fixture
def killed(database_url: str) -> str:
    """The URL of a database whose recording process was killed in the middle of a stream."""
    with serve_in_process("recorded_app:app", TRACEKIT_DATABASE_URL=database_url, **ENVIRONMENT) as server:
        client = RawClient(server.port)
        client.ask("/open/3")
        client.read_until(b": stored")
        server.end(signal.SIGKILL)
        client.close()
    return database_url


def test_a_killed_process_is_found_out_by_another(killed: str):
    """While it is late by no more than a beat it may live, and its trace goes on running. Once its heart has been
    still for long enough, whoever records next ends the trace; all that was written before the kill is there."""
    for still, ending in ((HEARTBEAT_S, ("running", None)), (DEAD_AFTER_S, ("interrupted", "process_died"))):
        let_time_pass(killed, still)
        with recording(killed) as recorder:
            trace = only_trace(recorder)
            assert (trace.status, trace.end_reason) == ending
            assert stored_body(recorder, trace.trace_id).startswith(SENT)
            types = event_types(recorder, trace.trace_id)
            assert types.count("trace.finished") == (ending[1] is not None)
            assert trace.last_seq == trace.events_stored == len(types)


# What the dead have said

ANSWER = "".join(f"word{number} " for number in range(300))


def test_all_that_was_said_is_shown_while_it_is_said_and_after_the_process_died(database_url: str):
    """Also what is longer than a preview: in Python, by the command line, in exports and in the snapshot. Since nobody
    saw the end, what is stored is not called exact."""
    with serve_in_process("recorded_app:app", TRACEKIT_DATABASE_URL=database_url, **ENVIRONMENT) as server:
        client = RawClient(server.port)
        client.ask("/speak/300")
        client.read_until(b": stored")
        says_all(database_url, "running")
        server.end(signal.SIGKILL)
        client.close()
    let_time_pass(database_url, DEAD_AFTER_S)
    with recording(database_url) as recorder:
        trace = only_trace(recorder)
        assert trace.end_reason == "process_died"
        assert recorder.store.texts(trace.trace_id) == Texts(answer=ANSWER)
        assert recorder.store.snapshot(trace.trace_id).texts == Texts(answer=ANSWER)
    says_all(database_url, "interrupted")


def says_all(url: str, status: str) -> None:
    shown = json.loads(command("show", "last", "--json", "-d", url).out)
    assert (shown["trace"]["status"], shown["answer"], shown["whole"]) == (status, ANSWER, True)
    page = command("show", "last", "-d", url).out
    assert "word299" in page
    exported = command("export", "last", "-d", url)
    assert "word299" in exported.out.partition("TIMELINE")[0]
    lines = [json.loads(line) for line in command("export", "last", "--format", "jsonl", "-d", url).out.splitlines()]
    assert [line["text"] for line in lines if line.get("text_kind") == "answer"] == [ANSWER]
    assert lines[-1]["exact"] is False
    sse = command("export", "last", "--format", "sse", "-d", url)
    assert "the end was not seen" in sse.err


def test_without_plugins_what_is_shown_of_a_running_answer_is_called_its_beginning(killed: str):
    """Nobody can read the frames, so it is not passed off as all of it."""
    database = Database(killed)
    trace_id = write_trace(database, [], frames=2, answer_preview="It begins", end_reason="process_died")
    assert TraceStore(database).texts(trace_id) == Texts(answer="It begins", whole=False)
    database.close()


# Spans of the dead

WORKING = """
import sys, tracekit
recorder = tracekit.Recorder.from_env()
with recorder.trace("job") as trace:
    with tracekit.span("done"):
        pass
    tracekit.span("outer").start()
    tracekit.span("inner").start().set_status("blocked", reason="waits for a lock")
    recorder.flush(10)
    print(trace.trace_id, flush=True)
    sys.stdin.read()
"""


@contextmanager
def working(url: str) -> Iterator[str]:
    """A process in the middle of a run, killed at the end of the block; gives the id of its trace."""
    environment = environment_of_tests({"TRACEKIT_DATABASE_URL": url, "TASK_TRACE_ENABLED": "1"})
    with subprocess.Popen(
        [sys.executable, "-c", WORKING], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def test_the_open_spans_of_a_killed_process_have_failed(database_url: str):
    """Those that had ended stay as they were; the others ended with the last that is known of their trace."""
    with working(database_url) as trace_id:
        pass
    let_time_pass(database_url, DEAD_AFTER_S)
    with recording(database_url) as recorder:
        run = recorded(recorder, trace_id)
    assert {span["step_name"]: (span["status"], span["error"]) for span in run.spans} == {
        "done": ("success", None),
        "outer": ("failed", "its process died"),
        "inner": ("failed", "its process died"),
    }
    assert {span["ended_at"] for span in run.spans[1:]} == {run.trace.ended_at} == {run.trace.last_event_at}
    finished = run.events[-1].payload
    assert finished is not None
    assert (finished["end_reason"], len(finished["found_by"])) == ("process_died", 32)
    assert run.trace.bytes_stored == sum(map(len, stored_payloads(database_url, trace_id)))


def stored_payloads(url: str, trace_id: str) -> list[str]:
    """The payloads of a trace, as they stand in the table."""
    database = Database(url)
    statement = text(
        "SELECT payload FROM task_trace_events JOIN task_traces ON id = trace_key WHERE trace_id = :trace_id"
    )
    with database.reading() as connection:
        found = list(connection.execute(statement, {"trace_id": trace_id}).scalars())
    database.close()
    return found


# Taken for dead


@pytest.fixture
def other(database_url: str) -> Iterator[ProcessRegistry]:
    """Another process that looks for the dead."""
    database = Database(database_url)
    yield ProcessRegistry(database, new_id(), role="web", version=None)
    database.close()


def test_a_process_that_was_taken_for_dead_loses_nothing(database_url: str, other: ProcessRegistry):
    """It was only stopped for a while. Its next batch finds the ending that others have written, takes it back, and
    goes on with its own numbers."""
    with recording(database_url) as recorder:
        with recorder.trace("job") as trace, tracekit.span("step") as step:
            step.set_status("blocked", reason="waits")
            trace.log("test.before")
            written(recorder)
            let_time_pass(database_url, 2 * DEAD_AFTER_S)
            assert other.sweep() == 1
            row = recorder.store.get(str(trace.trace_id))
            assert (row.status, row.end_reason, row.last_seq) == ("interrupted", "process_died", 5)
            assert span_rows(recorder.database, str(trace.trace_id))[0]["error"] == "its process died"
            trace.log("test.after")
            written(recorder)
            row = recorder.store.get(str(trace.trace_id))
            assert (row.status, row.end_reason, row.ended_at, row.last_seq) == ("running", None, None, 5)
            assert span_rows(recorder.database, str(trace.trace_id))[0]["ended_at"] is None
            assert other.sweep() == 0
        run = recorded(recorder, trace.trace_id)
    assert run.types == ["span.started", "span.heartbeat", "test.before", "test.after", "span.finished"]
    assert [event.seq for event in run.events] == list(range(1, 8))
    assert (run.trace.status, run.trace.last_seq, run.trace.events_stored) == ("completed", 7, 7)
    assert (run.span("step")["status"], run.span("step")["error"]) == ("success", None)
    assert run.trace.bytes_stored == sum(map(len, stored_payloads(database_url, str(trace.trace_id))))


def test_a_process_that_was_taken_for_dead_may_end_its_trace_at_once(database_url: str, other: ProcessRegistry):
    """The first that it writes again may be the end."""
    with recording(database_url) as recorder:
        with recorder.trace("job") as trace:
            written(recorder)
            let_time_pass(database_url, 2 * DEAD_AFTER_S)
            assert other.sweep() == 1
        run = recorded(recorder, trace.trace_id)
        assert [event.event_type for event in run.events] == ["process.started", "trace.finished"]
        assert (run.trace.status, run.trace.last_seq) == ("completed", 2)


def test_a_beat_alone_takes_the_traces_back(database_url: str, other: ProcessRegistry):
    """A process that has nothing to write says by its heartbeat that it lives."""
    with recording(database_url) as recorder, recorder.trace("job") as trace:
        written(recorder)
        let_time_pass(database_url, 2 * DEAD_AFTER_S)
        assert other.sweep() == 1
        mine = ProcessRegistry(recorder.database, recorder.process_id, role="web", version=None)
        mine.beat({})
        assert recorder.store.get(str(trace.trace_id)).status == "running"
        assert event_types(recorder, str(trace.trace_id)) == ["process.started"]


def test_what_a_process_ended_by_itself_is_not_taken_back(database_url: str, other: ProcessRegistry):
    """A stop that ends the open traces is the process's own word, also if it writes something later."""
    recorder = Recorder(database_url, settings={"task_trace_enabled": True, "task_trace_flush_interval_ms": 20})
    recorder.start()
    run = recorder.trace("job")
    trace = run.__enter__()
    written(recorder)
    recorder.shutdown(10)
    process = ProcessRegistry(recorder.database, recorder.process_id, role="web", version=None)
    process.enter()
    with suppress(RuntimeError):
        run.__exit__(None, None, None)
    row = recorder.store.get(str(trace.trace_id))
    assert (row.status, row.end_reason) == ("interrupted", "process_died")
    recorder.database.close()


def test_the_open_spans_of_a_finished_trace_do_not_stay_open_for_ever(database_url: str, other: ProcessRegistry):
    """A process that dies in a background task, after the answer, leaves steps that nobody will end."""
    with recording(database_url) as recorder, recorder.trace("job") as trace, tracekit.span("in the background"):
        trace.finalize(EndReason.COMPLETED)
        written(recorder)
        let_time_pass(database_url, 2 * DEAD_AFTER_S)
        assert other.sweep() == 0
        (span,) = span_rows(recorder.database, str(trace.trace_id))
        assert (span["status"], span["error"]) == ("failed", "its trace ended while it was open")
        row = recorder.store.get(str(trace.trace_id))
        assert (row.status, row.end_reason) == ("completed", "completed")


def test_many_sweepers_end_each_trace_once(database: Database, database_url: str):
    """More traces than one transaction takes, and several processes that look for the dead at the same moment."""
    owner = new_id()
    ProcessRegistry(database, owner, role="web", version=None).enter()
    told = [Single("log", {"n": number}) for number in range(3)]
    running = {"status": "running", "end_reason": None, "closed": False, "owner_process_id": owner}
    ids = [write_trace(database, told, **running) for _ in range(450)]
    let_time_pass(database_url, 2 * DEAD_AFTER_S)
    ended = at_once(*[lambda: sweep(database_url)] * 4)
    assert sum(ended) == 450
    store = TraceStore(database)
    for trace_id in ids:
        types = [event.event_type for event in store.iterate_events(trace_id)]
        assert types == ["log", "log", "log", "trace.finished"]
        assert store.get(trace_id).last_seq == 4


def test_a_process_that_writes_while_it_is_taken_for_dead_keeps_its_numbers(database_url: str):
    """Sweepers and the process itself at the same time, over and over: no number is lost or given twice."""
    with recording(database_url) as recorder:
        runs = [recorder.trace(f"job {number}") for number in range(40)]
        open_traces = [run.__enter__() for run in runs]
        enough = threading.Event()

        def bury() -> int:
            found = 0
            while not enough.is_set():
                with suppress(StoreUnavailable):
                    let_time_pass(database_url, 2 * DEAD_AFTER_S)
                    found += sweep(database_url)
            return found

        def write() -> int:
            for number in range(60):
                for trace in open_traces:
                    trace.log("test.n", n=number)
                recorder.flush(10)
            enough.set()
            return 0

        ended = sum(at_once(bury, bury, write))
        for run in reversed(runs):
            run.__exit__(None, None, None)
        assert ended > 0
        for trace in open_traces:
            told = recorded(recorder, trace.trace_id)
            assert [event.seq for event in told.events] == list(range(1, 63))
            assert [payload["n"] for payload in told.payloads("test.n")] == list(range(60))
            assert (told.trace.status, told.trace.events_stored) == ("completed", 62)


def sweep(url: str) -> int:
    """Look for the dead as a process that has just started."""
    database = Database(url)
    try:
        return ProcessRegistry(database, new_id(), role="web", version=None).sweep()
    finally:
        database.close()


def at_once(*works: Callable[[], int]) -> list[int]:
    """What each of these functions returns, run at the same time."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda work=work: found.append(work())) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == len(works)
    return found
