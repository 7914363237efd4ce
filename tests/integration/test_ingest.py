"""Events and spans from programs that are not Python: numbered in the transaction, held to every rule of recording."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from recorded_runs import RecordedRun, span_rows
from recorders import EVERYTHING, recording, written
from serving import environment_of_tests
from sqlalchemy import text
from trace_rows import change_trace, write_trace

import tracekit
from tracekit import hookimpl
from tracekit.config import SystemSettings
from tracekit.errors import InvalidInput, WrongState
from tracekit.ids import new_id
from tracekit.ingestion import Ingestion
from tracekit.liveness import SILENT_AFTER_S, ProcessRegistry
from tracekit.plugins import PluginHost
from tracekit.store import Database, TraceStore
from tracekit.store.incoming import IngestedTrace
from tracekit_admin.ingest_api import told
from tracekit_admin.ingest_schemas import IngestRequest

Tell = Callable[..., IngestedTrace]

NOW = time.time_ns() // 1000
SPAN = "1" * 16


def ingestion(database: Database, *plugins: object, **settings: Any) -> Ingestion:
    """What takes events in, under these settings."""
    host = PluginHost(plugins, off=["redact"])
    return Ingestion(database, host, SystemSettings(**{**EVERYTHING, **settings}), "dev")


@pytest.fixture
def tell(database: Database) -> Tell:
    """Tells of one trace: `tell(trace_id, {"type": "log"}, ..., spans=[...], status="completed")`."""

    def telling(trace_id: str, *events: dict[str, Any], **more: Any) -> IngestedTrace:
        return tell_into(ingestion(database), trace_id, *events, **more)

    return telling


def tell_into(into: Ingestion, trace_id: str, *events: dict[str, Any], spans: Any = (), **trace: Any) -> IngestedTrace:
    """Tell of one trace, as a request would."""
    body = {"trace": {"trace_id": trace_id, **trace}, "events": list(events), "spans": list(spans)}
    (taken,) = into.take(told(IngestRequest.model_validate(json.loads(json.dumps(body)))))
    return taken


def stored(database: Database, trace_id: str) -> RecordedRun:
    """A trace as it is stored."""
    store = TraceStore(database)
    return RecordedRun(store.get(trace_id), list(store.iterate_events(trace_id)), list(span_rows(database, trace_id)))


def log(number: int, **more: Any) -> dict[str, Any]:
    """An event with an id of its own."""
    return {"id": f"e{number}", "type": "log", "timestamp": NOW + number, "payload": {"n": number}, **more}


# Events


def test_a_trace_is_told_bit_by_bit(database: Database, tell: Tell) -> None:
    """The first request makes it; others add to it; the last says how it ended. Numbers follow one another."""
    trace_id = new_id()
    first = tell(trace_id, log(1), log(2, phase="load", span_id=SPAN), name="flow", session_id="s", started_at=NOW)
    second = tell(trace_id, log(3), session_id="another", message_id="m")
    third = tell(trace_id, log(4), status="completed", ended_at=NOW + 10_000)
    assert [(one.created, one.status, one.last_seq, one.stored) for one in (first, second, third)] == [
        (True, "running", 2, 2), (False, "running", 3, 1), (False, "completed", 5, 2),
    ]  # fmt: skip
    run = stored(database, trace_id)
    assert [(event.seq, event.event_type, event.offset_us) for event in run.events] == [
        (1, "log", 1), (2, "log", 2), (3, "log", 3), (4, "log", 4), (5, "trace.finished", 10_000),
    ]  # fmt: skip
    assert (run.events[1].phase, run.events[1].span_id) == ("load", SPAN)
    row = run.trace
    assert (row.name, row.session_id, row.message_id, row.environment, row.enabled_by) == (
        "flow", "s", "m", "dev", "ingest",
    )  # fmt: skip
    assert (row.status, row.end_reason, row.reason_code, row.duration_ms) == ("completed", "completed", None, 10)
    assert (row.events_seen, row.events_stored, row.last_seq) == (5, 5, 5)
    assert row.last_event_at == NOW + 10_000


def test_an_event_that_is_sent_again_is_stored_once(database: Database, tell: Tell) -> None:
    """By the id that its program gave it, in one request or in several; one without an id is always new."""
    trace_id = new_id()
    events = [log(1), log(2), log(1), {"type": "log"}]
    first = tell(trace_id, *events)
    again = tell(trace_id, *events, log(3))
    assert [event.outcome for event in first.events] == ["stored", "stored", "duplicate", "stored"]
    assert [(event.id, event.seq, event.outcome) for event in again.events] == [
        ("e1", 1, "duplicate"), ("e2", 2, "duplicate"), ("e1", 1, "duplicate"), (None, 5, "stored"),
        ("e3", 4, "stored"),
    ]  # fmt: skip
    assert (first.duplicates, again.duplicates, again.stored) == (1, 3, 2)
    other = tell(new_id(), log(1))
    assert [event.outcome for event in other.events] == ["stored"]


def test_events_of_a_request_are_numbered_by_their_times(database: Database, tell: Tell) -> None:
    """Whatever their order in the request; what became of each is told in the order of the request."""
    trace_id = new_id()
    taken = tell(trace_id, log(30), log(10), log(20))
    assert [event.seq for event in taken.events] == [3, 1, 2]
    assert [event.payload for event in stored(database, trace_id).events] == [{"n": 10}, {"n": 20}, {"n": 30}]


def test_a_clock_that_is_behind_moves_nothing_before_the_start(database: Database, tell: Tell) -> None:
    """The trace begins with the earliest moment of its first request; what is told to be older counts as its start."""
    trace_id = new_id()
    tell(trace_id, log(1000), log(500))
    tell(trace_id, log(0), status="failed", ended_at=NOW - 10**9)
    run = stored(database, trace_id)
    assert run.trace.started_at == NOW + 500
    assert [event.offset_us for event in run.events] == [0, 500, 0, 0]
    assert (run.trace.ended_at, run.trace.duration_ms, run.trace.last_event_at) == (NOW + 500, 0, NOW + 1000)


def test_without_times_things_happen_now(database: Database, tell: Tell) -> None:
    """A shell script need not know what time it is."""
    before = time.time_ns() // 1000
    trace_id = new_id()
    tell(trace_id, {"type": "log"}, spans=[{"span_id": SPAN, "step_name": "make"}], status="completed")
    run = stored(database, trace_id)
    after = time.time_ns() // 1000
    assert all(before <= event.timestamp <= after for event in run.events)
    assert before <= run.trace.started_at <= run.trace.ended_at <= after


# Spans


def span(name: str = "make", span_id: str = SPAN, **more: Any) -> dict[str, Any]:
    """A step as a program tells it."""
    return {"span_id": span_id, "step_name": name, "started_at": NOW, **more}


def test_a_span_is_told_as_it_stands(database: Database, tell: Tell) -> None:
    """The first word starts it, others are heartbeats, the last ends it; events tell all of that."""
    trace_id = new_id()
    tell(trace_id, spans=[span(layer="L2", kind="node", input={"q": 1}), span("child", "2" * 16, parent_span_id=SPAN)])
    tell(trace_id, spans=[span(status="blocked", error="waits for a lock")])
    (row, _) = stored(database, trace_id).spans
    assert (row["status"], row["error"], row["ended_at"]) == ("blocked", "waits for a lock", None)
    tell(trace_id, spans=[span(ended_at=NOW + 5000, output=[1, 2])])
    run = stored(database, trace_id)
    assert [event.event_type for event in run.events] == [
        "span.started", "span.started", "span.heartbeat", "span.finished",
    ]  # fmt: skip
    row = run.span("make")
    assert (row["layer"], row["kind"], row["status"], row["error"]) == ("L2", "node", "success", None)
    assert (row["started_at"], row["ended_at"]) == (NOW, NOW + 5000)
    assert (json.loads(row["input_summary"]), json.loads(row["output_summary"])) == ({"q": 1}, [1, 2])
    assert run.events[-1].payload == {"status": "success", "duration_us": 5000, "output": [1, 2]}
    assert run.tree() == {"make": None, "child": "make"}


def test_the_same_word_on_a_span_counts_once(database: Database, tell: Tell) -> None:
    """A request that is sent again changes nothing; a step that began and ended in one word has both events."""
    trace_id = new_id()
    done = span(ended_at=NOW + 7, error="TimeoutError: no answer")
    for expected in (3, 0):
        taken = tell(trace_id, spans=[done, done, span("other", "3" * 16)])
        assert taken.stored == expected
    run = stored(database, trace_id)
    assert run.trace.last_seq == 3
    row = run.span("make")
    assert (row["status"], row["reason_code"]) == ("failed", "TIMEOUT")
    finished = run.payloads("span.finished")[0]
    assert (finished["reason_class"], finished["error"]) == ("transient", "TimeoutError: no answer")


def test_a_span_may_be_told_by_events(database: Database, tell: Tell) -> None:
    """For programs that say it as it happens: started, heartbeat, artifact, finished."""
    trace_id, of = new_id(), {"span_id": SPAN}
    tell(
        trace_id,
        {"type": "span.started", "timestamp": NOW, "payload": {"step_name": "make"}, **of},
        {"type": "span.heartbeat", "timestamp": NOW + 1, "payload": {"progress": {"done": 3}}, **of},
        {"type": "artifact.added", "timestamp": NOW + 2, "payload": {"name": "a", "uri": "s3://b/c"}, **of},
        {"type": "span.finished", "timestamp": NOW + 3, "payload": {"status": "failed", "error": "no"}, **of},
        {"type": "span.finished", "timestamp": NOW + 4, "payload": {"status": "success"}, **of},
        {"type": "span.heartbeat", "timestamp": NOW + 5, **of},
    )
    row = stored(database, trace_id).span("make")
    assert (row["status"], row["error"], row["ended_at"], row["heartbeat_at"]) == ("failed", "no", NOW + 3, NOW + 3)
    assert json.loads(row["artifacts"]) == [{"name": "a", "uri": "s3://b/c"}]


def test_things_may_come_in_the_wrong_order(database: Database, tell: Tell) -> None:
    """A heartbeat before the start, an end without a start, a start after the end: a late start names its step."""
    trace_id, other = new_id(), "2" * 16
    beat = {"type": "span.heartbeat", "timestamp": NOW + 5, "span_id": SPAN}
    end = {"type": "span.finished", "timestamp": NOW + 6, "span_id": other, "payload": {"status": "canceled"}}
    tell(trace_id, beat, end, started_at=NOW)
    unnamed = stored(database, trace_id).spans
    assert [(row["step_name"], row["status"], row["started_at"]) for row in unnamed] == [
        ("(never started)", "running", NOW + 5), ("(never started)", "canceled", NOW + 6),
    ]  # fmt: skip
    payload = {"step_name": "second", "layer": "L3", "status": "blocked"}
    started = {"type": "span.started", "timestamp": NOW + 1, "span_id": other, "payload": payload}
    tell(trace_id, started, {**started, "payload": {"step_name": "third"}}, spans=[span("first")])
    run = stored(database, trace_id)
    assert [(row["step_name"], row["status"], row["started_at"], row["layer"]) for row in run.spans] == [
        ("first", "running", NOW, None), ("second", "canceled", NOW + 1, "L3"),
    ]  # fmt: skip


def test_the_end_of_a_trace_ends_its_open_spans(database: Database, tell: Tell) -> None:
    """Also those that were told of in other requests. An end that comes late all the same goes before that."""
    trace_id = new_id()
    tell(trace_id, spans=[span("a"), span("b", "2" * 16)])
    tell(trace_id, status="completed", ended_at=NOW + 100)
    rows = stored(database, trace_id).spans
    assert {(row["status"], row["error"], row["ended_at"]) for row in rows} == {
        ("failed", "its trace ended while it was open", NOW + 100)
    }
    tell(trace_id, spans=[span("a", ended_at=NOW + 50), span("c", "3" * 16)])
    run = stored(database, trace_id)
    assert {row["step_name"]: (row["status"], row["ended_at"]) for row in run.spans} == {
        "a": ("success", NOW + 50), "b": ("failed", NOW + 100), "c": ("failed", NOW + 100),
    }  # fmt: skip
    assert run.trace.status == "completed"


# The end


def test_the_first_end_holds(database: Database, tell: Tell) -> None:
    """Late events are taken, with numbers after the end; another end is not."""
    trace_id = new_id()
    tell(trace_id, status="failed", error="OSError: No space left", ended_at=NOW, started_at=NOW - 5)
    late = tell(trace_id, log(7), status="completed")
    assert (late.status, late.last_seq, late.stored) == ("failed", 2, 1)
    run = stored(database, trace_id)
    assert [event.event_type for event in run.events] == ["trace.finished", "log"]
    assert (run.trace.end_reason, run.trace.error, run.trace.events_stored) == (
        "app_error", "OSError: No space left", 2,
    )  # fmt: skip
    assert run.trace.last_event_at == NOW + 7


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"status": "completed"}, ("completed", "completed", None)),
        ({"status": "failed"}, ("failed", "app_error", "UNEXPECTED_ERROR")),
        ({"status": "failed", "error": "HTTP 429 Too Many Requests"}, ("failed", "app_error", "RATE_LIMITED")),
        ({"status": "failed", "reason_code": "GPU_GONE"}, ("failed", "app_error", "GPU_GONE")),
        ({"status": "failed", "end_reason": "stream_error"}, ("failed", "stream_error", "UNEXPECTED_ERROR")),
        ({"status": "cancelled"}, ("cancelled", "server_cancelled", "UNEXPECTED_ERROR")),
        ({"status": "interrupted"}, ("interrupted", "process_died", "UNEXPECTED_ERROR")),
    ],
    ids=str,
)
def test_a_program_says_how_it_ended(database: Database, tell: Tell, said: Any, expected: Any) -> None:
    """By a status alone, or more closely; errors are classified like our own."""
    trace_id = new_id()
    tell(trace_id, **said)
    row = TraceStore(database).get(trace_id)
    assert (row.status, row.end_reason, row.reason_code) == expected


def test_a_program_that_falls_silent_is_given_up_after_a_day(database: Database, tell: Tell) -> None:
    """Nobody knows its process. Should it speak again, that is taken, and what it says of its end goes before."""
    trace_id = new_id()
    tell(trace_id, log(1), spans=[span()])
    registry = ProcessRegistry(database, new_id(), role="web", version=None)
    assert registry.sweep() == 0
    long_ago = NOW - int(SILENT_AFTER_S * 1e6) - 60_000_000
    change_trace(database, trace_id, last_event_at=long_ago)
    assert registry.sweep() == 1
    run = stored(database, trace_id)
    assert (run.trace.status, run.trace.end_reason, run.spans[0]["status"]) == (
        "interrupted", "process_died", "failed",
    )  # fmt: skip
    assert run.events[-1].payload["detail"] == "nothing was heard of it for a day"
    tell(trace_id, log(2), spans=[span(ended_at=NOW + 5)], status="completed")
    run = stored(database, trace_id)
    assert (run.trace.status, run.trace.end_reason, run.spans[0]["status"]) == ("completed", "completed", "success")
    assert [event.seq for event in run.events] == list(range(1, 7))


# Trees


def test_a_trace_names_its_parent(database: Database, tell: Tell) -> None:
    """Whether that is known yet or not; the root is the parent's, where it is known."""
    root, middle, leaf, unknown = new_id(), new_id(), new_id(), new_id()
    tell(root)
    tell(middle, parent_trace_id=root, parent_span_id=SPAN)
    tell(leaf, parent_trace_id=middle.upper())
    orphan = new_id()
    tell(orphan, parent_trace_id=unknown)
    store = TraceStore(database)
    assert [(row.parent_trace_id, row.root_trace_id) for row in map(store.get, (root, middle, leaf, orphan))] == [
        (None, root), (root, root), (middle, root), (unknown, unknown),
    ]  # fmt: skip
    assert store.get(middle).parent_span_id == SPAN
    assert [child.trace_id for child in store.children(root)] == [middle]


def test_no_trace_is_its_own_ancestor(database: Database, tell: Tell) -> None:
    """Directly or round a corner: refused, and nothing of the request is stored."""
    first, second, third = new_id(), new_id(), new_id()
    with pytest.raises(InvalidInput, match="its own ancestor"):
        tell(first, log(1), parent_trace_id=first)
    tell(second, parent_trace_id=first)
    tell(third, parent_trace_id=second)
    with pytest.raises(InvalidInput, match="its own ancestor") as refused:
        tell(first, log(1), parent_trace_id=third)
    assert refused.value.field == "trace.parent_trace_id"
    assert not TraceStore(database).exists(first)


# Who owns the numbers


def test_a_trace_that_a_recorder_is_at_work_on_is_refused(database_url: str) -> None:
    """One process gives the numbers. It has the trace until the app has returned, also after the last byte."""
    with recording(database_url) as recorder:
        into = ingestion(recorder.database)
        with recorder.trace("job") as trace:
            trace_id = str(trace.trace_id)
            written(recorder)
            with pytest.raises(WrongState, match="numbers its events"):
                tell_into(into, trace_id, log(1))
            trace.finalize(tracekit.types.EndReason.COMPLETED)
            written(recorder)
            with pytest.raises(WrongState, match="numbers its events"):
                tell_into(into, trace_id, log(1))
        written(recorder)
        taken = tell_into(into, trace_id, log(1))
        assert (taken.created, taken.status, taken.last_seq) == (False, "completed", 3)
        run = stored(recorder.database, trace_id)
        assert [event.event_type for event in run.events] == ["process.started", "trace.finished", "log"]
        assert run.trace.owner_process_id == recorder.process_id


def test_a_recorder_that_comes_back_after_others_have_added_does_not_overwrite_them(database_url: str) -> None:
    """Its process was taken for dead, and its trace for finished; then a program added to it. What the process still
    writes of it is left out and counted, and the numbers stay in order."""
    with recording(database_url) as recorder:
        other = ProcessRegistry(recorder.database, new_id(), role="web", version=None)
        with recorder.trace("job") as trace:
            trace_id = str(trace.trace_id)
            written(recorder)
            with recorder.database.writing() as connection:
                connection.execute(text("UPDATE task_trace_processes SET heartbeat_at = heartbeat_at - 60000000"))
            assert other.sweep() == 1
            tell_into(ingestion(recorder.database), trace_id, log(1), log(2))
            trace.log("test.lost")
            written(recorder)
        written(recorder)
        run = stored(recorder.database, trace_id)
        assert [event.event_type for event in run.events] == ["process.started", "trace.finished", "log", "log"]
        assert [event.seq for event in run.events] == [1, 2, 3, 4]
        assert (run.trace.status, run.trace.last_seq, run.trace.owner_process_id) == ("interrupted", 4, "ingest")


def test_a_trace_whose_owner_is_unknown_may_be_added_to(database: Database, tell: Tell) -> None:
    """One that was brought here from another database, for instance."""
    trace_id = write_trace(database, [], status="running", end_reason=None, closed=False, owner_process_id=new_id())
    assert tell(trace_id, log(1)).last_seq == 1
    assert TraceStore(database).get(trace_id).owner_process_id == "ingest"


APPEND = """
import json, sys
from tracekit.config import SystemSettings
from tracekit.ingestion import Ingestion
from tracekit.plugins import PluginHost
from tracekit.store import Database
from tracekit_admin.ingest_api import told
from tracekit_admin.ingest_schemas import IngestRequest

url, trace_id, name = sys.argv[1:]
into = Ingestion(Database(url), PluginHost(), SystemSettings(task_trace_enabled=True), "dev")
seqs = {}
for number in range(30):
    own = [{"id": f"{name}-{number}-{n}", "type": "log", "payload": {"by": name}} for n in range(5)]
    shared = [{"id": f"shared-{number}-{n}", "type": "log", "payload": {"by": name}} for n in range(5)]
    spans = [{"span_id": f"{number:016x}", "step_name": f"step {number}", "input": name}]
    body = {"trace": {"trace_id": trace_id, "name": "shared"}, "events": own + shared, "spans": spans}
    (taken,) = into.take(told(IngestRequest.model_validate(body)))
    seqs |= {event.id: event.seq for event in taken.events}
print(json.dumps(seqs))
"""


def test_many_processes_append_to_one_trace_at_once(database: Database, database_url: str) -> None:
    """Numbers go from 1 to n without a gap or a duplicate, an id that several send is stored once, and each process
    is told the number under which its event is found."""
    trace_id, names = new_id(), [f"p{number}" for number in range(4)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, database_url, trace_id, name],
            env=environment_of_tests({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    run = stored(database, trace_id)
    assert [event.seq for event in run.events] == list(range(1, run.trace.last_seq + 1))
    logs = {event.seq: event.payload for event in run.events if event.event_type == "log"}
    assert len(logs) == 4 * 30 * 5 + 30 * 5
    for name, seqs in zip(names, answers, strict=True):
        assert all(logs[seq] == {"by": name} for event_id, seq in seqs.items() if event_id.startswith(name))
    shared = [{key: seq for key, seq in seqs.items() if key.startswith("shared")} for seqs in answers]
    assert shared[0] == shared[1] == shared[2] == shared[3]
    assert len(run.spans) == 30
    assert len(run.payloads("span.started")) == 30
    assert run.trace.events_stored == run.trace.events_seen == run.trace.last_seq


# Limits


def test_a_trace_holds_so_many_events_and_counts_the_rest(database: Database) -> None:
    """What is dropped is told to the sender, by an event, and in the row; the end always fits."""
    into, trace_id = ingestion(database, task_trace_max_events=150), new_id()
    first = tell_into(into, trace_id, *map(log, range(40)))
    second = tell_into(into, trace_id, *map(log, range(30, 80)), spans=[span("too late", started_at=NOW + 999)])
    third = tell_into(into, trace_id, *map(log, range(80, 90)), status="completed")
    outcomes = [event.outcome for event in second.events]
    assert outcomes == ["duplicate"] * 10 + ["stored"] * 10 + ["dropped"] * 30
    assert (first.dropped, second.dropped, third.dropped) == (0, 31, 10)
    run = stored(database, trace_id)
    assert [event.event_type for event in run.events[50:]] == ["trace.truncated", "trace.truncated", "trace.finished"]
    assert [payload["events"] for payload in run.payloads("trace.truncated")] == [31, 10]
    assert (run.trace.events_stored, run.trace.events_dropped, run.trace.events_seen) == (53, 41, 94)
    assert run.trace.bytes_dropped == sum(payload["bytes"] for payload in run.payloads("trace.truncated"))
    assert run.spans == []


def test_a_full_trace_does_not_grow_by_telling_what_it_drops(database: Database) -> None:
    """However often a program tries: there is a bound, and it holds."""
    into, trace_id = ingestion(database, task_trace_max_events=110), new_id()
    for number in range(150):
        tell_into(into, trace_id, log(number))
    assert tell_into(into, trace_id, log(999)).dropped == 1
    tell_into(into, trace_id, status="completed")
    run = stored(database, trace_id)
    assert len(run.events) == 110
    assert (run.trace.status, run.events[-1].event_type) == ("completed", "trace.finished")
    assert run.trace.events_seen == run.trace.events_stored + run.trace.events_dropped
    assert run.trace.events_dropped == sum(payload["events"] for payload in run.payloads("trace.truncated"))


def test_long_payloads_are_cut(database: Database) -> None:
    """With length and hash of the whole; of a step its name, status and parent stay."""
    into, trace_id = ingestion(database, task_trace_payload_max_length=1000), new_id()
    payload = {"text": "é" * 5000}
    whole = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    done = span("step", ended_at=NOW + 1, input=payload, output=payload, error="e" * 5000)
    tell_into(into, trace_id, {"type": "log", "payload": payload, "timestamp": NOW}, spans=[done], metadata=payload)
    run = stored(database, trace_id)
    assert run.trace.payloads_cut == 3
    (logged,) = run.payloads("log")
    assert logged["cut"] == {"length": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    assert all(len(json.dumps(event.payload, ensure_ascii=False).encode()) <= 1000 for event in run.events)
    row = run.span("step")
    assert (row["status"], row["ended_at"]) == ("failed", NOW + 1)
    assert run.trace.metadata is not None
    assert "cut" in run.trace.metadata


class _Censor:
    """A plugin that strikes one word out."""

    @hookimpl
    def tracekit_before_store(self, trace: Any) -> _Censor:
        return self

    def value(self, value: Any) -> Any:
        masked = json.loads(json.dumps(value).replace("hunter2", "***"))
        return masked if masked != value else value

    def stream(self, items: Any, *, final: bool) -> int:
        return len(items)


class _Broken(_Censor):
    """A plugin that fails at one word, and so at every value that holds it."""

    def value(self, value: Any) -> Any:
        if "hunter2" in json.dumps(value):
            raise RuntimeError("no")
        return value


def test_everything_passes_the_redactors(database: Database) -> None:
    """Names, payloads, inputs, errors, metadata; values that were masked are counted."""
    trace_id, secret = new_id(), "hunter2"
    tell_into(
        ingestion(database, _Censor()),
        trace_id,
        {"type": "log", "payload": {"a": {"b": [secret]}}, "phase": secret},
        {"type": "log", "payload": {"a": 1}},
        spans=[span(secret, input=secret, output=secret, ended_at=NOW, error=secret)],
        name=secret, session_id=secret, actor=secret, metadata={"a": secret}, status="failed", error=secret,
    )  # fmt: skip
    run = stored(database, trace_id)
    assert secret not in f"{run.trace} {run.events} {run.spans}"
    assert run.payloads("log") == [{"a": {"b": ["***"]}}, {"a": 1}]
    assert run.trace.payloads_redacted == 8


def test_a_redactor_that_fails_withholds_what_it_failed_at(database: Database) -> None:
    """And nothing else: events that come in one request are masked together, and apart where that fails."""
    trace_id = new_id()
    tell_into(ingestion(database, _Broken()), trace_id, log(1, payload={"a": "hunter2"}), log(2))
    first, second = stored(database, trace_id).payloads("log")
    assert list(first) == ["withheld_bytes"]
    assert second == {"n": 2}


def test_where_recording_is_off_nothing_is_taken(database: Database) -> None:
    """The master switch and the environment hold for others too."""
    for settings in ({"task_trace_enabled": False}, {"task_trace_env": "prod"}):
        with pytest.raises(WrongState, match="switched off for dev"):
            tell_into(ingestion(database, **settings), new_id(), log(1))
    assert TraceStore(database).list_traces().items == []


def test_a_deleted_trace_takes_its_ids_along(database: Database, tell: Tell) -> None:
    """Sent again after that, its events are new ones of a new trace."""
    trace_id = new_id()
    tell(trace_id, log(1))
    assert TraceStore(database).delete(trace_id)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM task_trace_ingested")).scalar() == 0
    assert tell(trace_id, log(1)).created


def test_several_traces_are_told_in_one_request(database: Database) -> None:
    """All of it is stored, or nothing."""
    hundred = [uuid.uuid4().hex for _ in range(100)]
    batches = [{"trace": {"trace_id": trace_id}, "events": [log(n) for n in range(10)]} for trace_id in hundred]
    taken = ingestion(database).take(told(IngestRequest.model_validate({"batches": batches})))
    assert [one.trace_id for one in taken] == hundred
    assert {one.last_seq for one in taken} == {10}
    more = [{"trace": {"trace_id": trace_id}, "events": [log(99)]} for trace_id in hundred[1:]]
    new = {"trace": {"trace_id": uuid.uuid4().hex}}
    circle = {"trace": {"trace_id": "f" * 32, "parent_trace_id": "f" * 32}}
    with pytest.raises(InvalidInput):
        ingestion(database).take(told(IngestRequest.model_validate({"batches": [*more[:98], new, circle]})))
    store = TraceStore(database)
    assert {store.get(trace_id).last_seq for trace_id in hundred} == {10}
    assert len(store.list_traces(limit=500).items) == 100
