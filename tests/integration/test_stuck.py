"""What is stuck: which step, since when, with what evidence, and what may be the cause."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import (
    MINUTE,
    NOW,
    PROCESS,
    SECOND,
    ended,
    span_id,
    write_event,
    write_process,
    write_running,
    write_steps,
)
from trace_rows import Frame, Single, frames, write_trace

from tracekit.errors import InvalidInput
from tracekit.store import Database, TraceStore
from tracekit.store.question_records import StuckStep
from tracekit.types import ItemKind

PING = Frame(b": ping\n\n", ItemKind.KEEPALIVE)
QUIET: dict[str, Any] = {"last_event_at": NOW - 10 * MINUTE}


def stuck(database: Database, minutes: float = 5, **options: Any) -> list[StuckStep]:
    return list(TraceStore(database).stuck(minutes, now=NOW, **options).items)


def only(database: Database, **options: Any) -> StuckStep:
    (item,) = stuck(database, **options)
    return item


def codes(item: StuckStep) -> list[str]:
    return [cause.code for cause in item.causes]


# What is stuck


def test_a_trace_without_data_is_stuck(database: Database) -> None:
    """Nothing was heard of it for longer than was asked for; how long is told."""
    write_process(database)
    write_running(database)
    quiet = write_running(database, **QUIET)
    item = only(database)
    assert (item.trace.trace_id, item.step, item.stuck_us, item.since_at) == (
        quiet, None, 10 * MINUTE, NOW - 10 * MINUTE,
    )  # fmt: skip
    assert stuck(database, minutes=10) == []
    assert len(stuck(database, minutes=0.01)) == 2


def test_a_trace_that_has_ended_is_not_stuck(database: Database) -> None:
    """Not even with a span that nobody ended."""
    trace_id = write_trace(database, status="completed", last_event_at=NOW - 10 * MINUTE)
    write_steps(database, trace_id, {"span_id": "left open", "heartbeat_at": NOW - 10 * MINUTE})
    assert stuck(database) == []


def test_a_stuck_trace_names_the_step_it_is_in(database: Database) -> None:
    """The step without an open step in it, with its input; its own heart may beat, since the recorder beats it."""
    write_process(database)
    trace_id = write_running(database, **QUIET)
    write_steps(
        database,
        trace_id,
        {"span_id": "run"},
        {"span_id": "fetch", "parent_span_id": "run", "layer": "L3", "input_summary": '{"url":"http://x"}'},
        ended("before", parent_span_id="fetch", ended_at=NOW - 11 * MINUTE),
    )
    item = only(database)
    assert item.step is not None
    assert (item.step.span_id, item.step.layer, item.input_preview) == (span_id("fetch"), "L3", '{"url":"http://x"}')
    assert item.stuck_us == 10 * MINUTE


def test_each_branch_of_a_stuck_trace_is_told(database: Database) -> None:
    """Work that was done side by side stands still side by side."""
    write_process(database)
    trace_id = write_running(database, **QUIET)
    write_steps(
        database,
        trace_id,
        {"span_id": "run"},
        {"span_id": "left", "parent_span_id": "run"},
        {"span_id": "right", "parent_span_id": "run"},
    )
    names = {item.step.step_name for item in stuck(database) if item.step}
    assert names == {"left", "right"}


def test_a_step_without_a_heartbeat_is_stuck_though_its_trace_moves(database: Database) -> None:
    """Other branches go on; of this one nothing was heard."""
    write_process(database)
    trace_id = write_running(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "run"},
        {"span_id": "alive", "parent_span_id": "run"},
        {"span_id": "dead", "parent_span_id": "run", "heartbeat_at": NOW - 7 * MINUTE},
    )
    item = only(database)
    assert item.step is not None
    assert (item.step.step_name, item.stuck_us) == ("dead", 7 * MINUTE)


def test_a_step_that_never_beat_counts_from_its_start(database: Database) -> None:
    """Programs that send spans need not send heartbeats."""
    write_process(database)
    trace_id = write_running(database)
    write_steps(database, trace_id, {"span_id": "sent", "heartbeat_at": None, "started_at": NOW - 6 * MINUTE})
    assert only(database).stuck_us == 6 * MINUTE


def test_a_step_in_which_steps_come_and_go_is_alive(database: Database) -> None:
    """Their end is its sign, also where it does not beat itself."""
    write_process(database)
    trace_id = write_running(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "loop", "heartbeat_at": NOW - 15 * MINUTE},
        ended("item", parent_span_id="loop", ended_at=NOW - MINUTE),
    )
    assert stuck(database) == []
    assert len(stuck(database, minutes=0.5)) == 1


def test_a_step_that_has_just_begun_is_not_stuck(database: Database) -> None:
    """Though its trace was silent until then."""
    write_process(database)
    trace_id = write_running(database, last_event_at=NOW - SECOND)
    write_steps(database, trace_id, {"span_id": "new", "started_at": NOW - SECOND, "heartbeat_at": None})
    assert stuck(database) == []


def test_keepalives_do_not_hide_a_stalled_stream(database: Database) -> None:
    """They move the last event of the trace, and say nothing: it counts from the last word."""
    write_process(database)
    silence = {"silence_us": 30 * SECOND}
    started_at = NOW - 8 * MINUTE
    trace_id = write_running(
        database,
        [*frames(2), Single("stream.idle", silence), PING],
        started_at=started_at,
        stalled=True,
        last_event_at=NOW,
    )
    item = only(database)
    assert item.trace.trace_id == trace_id
    assert item.since_at == started_at + 2 * 20_000
    assert item.last_event is not None
    assert item.last_event.event_type == "stream.keepalive"
    assert item.last_good_event is not None
    assert item.last_good_event.preview == "data: 2\n\n"
    assert codes(item) == ["only_keepalives"]


def test_work_behind_a_silent_stream_is_not_stuck(database: Database) -> None:
    """The client hears nothing, but the app logs what it does."""
    write_process(database)
    timeline = [*frames(2), Single("stream.idle", {"silence_us": 30_000}), Single("log", {"n": 1})]
    started_at = NOW - 8 * MINUTE
    write_running(database, timeline, started_at=started_at, stalled=True, last_event_at=NOW)
    (before,) = stuck(database)
    assert before.since_at == started_at + 4 * 20_000
    write_running(database, timeline, started_at=NOW - MINUTE, stalled=True, last_event_at=NOW)
    assert len(stuck(database)) == 1


def test_the_longest_come_first_and_the_page_says_if_there_are_more(database: Database) -> None:
    """The limit cuts the shorter ones."""
    write_process(database)
    ids = [write_running(database, last_event_at=NOW - minutes * MINUTE) for minutes in (6, 9, 7)]
    assert [item.trace.trace_id for item in stuck(database)] == [ids[1], ids[2], ids[0]]
    page = TraceStore(database).stuck(limit=2, now=NOW)
    assert [item.trace.trace_id for item in page.items] == [ids[1], ids[2]]
    assert page.has_more
    assert (page.threshold_us, page.idle_timeout_ms) == (5 * MINUTE, 30_000)


# Evidence


def test_the_last_good_event_is_told_beside_the_last_one(database: Database) -> None:
    """Errors, notices of silence and heartbeats that nobody sent are no good events."""
    write_process(database)
    timeline = [
        Single("persist.progress", {"saved": 3}),
        Single("error", {"message": "no"}),
        Single("span.heartbeat", {"by": "recorder"}),
    ]
    write_running(database, timeline, **QUIET)
    item = only(database)
    assert item.last_event is not None
    assert item.last_event.event_type == "span.heartbeat"
    assert item.last_good_event is not None
    assert (item.last_good_event.event_type, item.last_good_event.preview) == ("persist.progress", '{"saved":3}')


def test_a_heartbeat_that_the_app_sent_is_a_good_event(database: Database) -> None:
    """It says that the work moves."""
    write_process(database)
    write_running(database, [Single("span.heartbeat", {"done": 3})], **QUIET)
    item = only(database)
    assert item.last_good_event is not None
    assert item.last_good_event.event_type == "span.heartbeat"


def test_long_evidence_is_cut(database: Database) -> None:
    """An input of any length becomes a short text."""
    write_process(database)
    trace_id = write_running(database, **QUIET)
    write_steps(database, trace_id, {"span_id": "a", "input_summary": '"' + "x" * 100_000 + '"'})
    item = only(database)
    assert item.input_preview is not None
    assert item.input_preview.endswith("x…")
    assert len(item.input_preview) == 1001


# Causes


def test_a_silent_process_is_a_cause(database: Database) -> None:
    """In words, with host, pid and how long."""
    write_process(database, heartbeat_at=NOW - 41 * SECOND)
    write_running(database, **QUIET)
    item = only(database)
    assert [cause.text for cause in item.causes] == ["its process (web-1, pid 41) has not beaten for 41.0 s"]
    assert item.causes[0].values == {"host": "web-1", "pid": 41, "silent_us": 41 * SECOND}


def test_a_process_that_has_ended_is_a_cause(database: Database) -> None:
    """And so is one of which nothing is known."""
    write_process(database, ended_at=NOW - MINUTE)
    write_running(database, **QUIET)
    write_running(database, owner_process_id="b" * 32, last_event_at=NOW - 9 * MINUTE)
    assert sorted(map(codes, stuck(database))) == [["process_ended"], ["process_unknown"]]


def test_a_client_that_reads_slowly_is_a_cause(database: Database) -> None:
    """How long sending was blocked tells."""
    write_process(database)
    write_running(database, frames(2), send_blocked_us=12 * SECOND, **QUIET)
    texts = [cause.text for cause in only(database).causes]
    assert texts == ["the client reads slowly: 12.0 s blocked in send"]


@pytest.mark.parametrize(("status", "code"), [("blocked", "blocked"), ("retrying", "retrying"), ("queued", "queued")])
def test_what_a_step_says_of_itself_is_a_cause(database: Database, status: str, code: str) -> None:
    """`set_status` with its reason."""
    write_process(database)
    said = Single("span.heartbeat", {"status": status, "reason": "waits for a lock"})
    trace_id = write_running(database, [said], **QUIET)
    write_steps(database, trace_id, {"span_id": "step", "status": status})
    item = only(database)
    assert codes(item) == [code]


def test_a_blocked_step_tells_why(database: Database) -> None:
    """In the words of the event in which it said so."""
    write_process(database)
    trace_id = write_running(database, **QUIET)
    write_steps(database, trace_id, {"span_id": "step", "status": "blocked"})
    said = {"status": "blocked", "reason": "waits for a lock"}
    write_event(database, trace_id, "span.heartbeat", said, span_id("step"))
    assert only(database).causes[0].text == "the step says that it is blocked: waits for a lock"


def test_a_tool_call_without_an_end_is_a_cause(database: Database) -> None:
    """One that has ended is none."""
    write_process(database)
    timeline = [
        Single("tool.started", {"id": "1", "name": "search"}),
        Single("tool.finished", {"id": "1"}),
        Single("tool.started", {"id": "2", "name": "fetch"}),
    ]
    started_at = NOW - 10 * MINUTE
    write_running(database, timeline, started_at=started_at, **QUIET)
    (cause,) = only(database).causes
    assert cause.values == {"tool": "fetch", "waited_us": 10 * MINUTE - 3 * 20_000}
    assert cause.text == "the tool call fetch began 10 m 00 s ago and has not ended"


def test_a_child_run_that_still_runs_is_a_cause(database: Database) -> None:
    """A parent that waits for it is told of, with what it waits for."""
    write_process(database)
    parent = write_running(database, **QUIET)
    write_running(database, parent_trace_id=parent)
    write_running(database, parent_trace_id=parent, status="completed")
    assert [cause.text for cause in only(database).causes] == ["it may wait for 1 child run still running"]


def test_where_nothing_points_anywhere_the_cause_says_so(database: Database) -> None:
    """The process lives, and has said nothing."""
    write_process(database)
    write_running(database, **QUIET)
    (cause,) = only(database).causes
    assert cause.code == "no_sign"
    assert "10 m 00 s" in cause.text


# Bad input


def test_hostile_payloads_do_no_harm(database: Database) -> None:
    """Any type in any place of an event that is looked into."""
    write_process(database)
    odd: list[Any] = [None, [], {"a": 1}, 10**30, "x" * 5000, True]
    timeline = [
        *(Single("tool.started", {"id": value, "name": value}) for value in odd),
        *(Single("span.heartbeat", {"by": value, "reason": value}) for value in odd),
    ]
    trace_id = write_running(database, [*timeline, Single("stream.idle", {"silence_us": "x"})], stalled=True, **QUIET)
    write_steps(database, trace_id, {"span_id": "a", "status": "blocked"})
    assert only(database).trace.trace_id == trace_id


def test_parents_in_a_circle_have_one_step_where_the_work_is(database: Database) -> None:
    """The one that began last."""
    write_process(database)
    trace_id = write_running(database, **QUIET)
    write_steps(
        database,
        trace_id,
        {"span_id": "one", "parent_span_id": "two"},
        {"span_id": "two", "parent_span_id": "one", "started_at": NOW - 12 * MINUTE},
    )
    item = only(database)
    assert item.step is not None
    assert item.step.step_name == "two"


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), 10**9])
def test_minutes_out_of_range_are_refused(database: Database, minutes: float) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="minutes"):
        stuck(database, minutes)


@pytest.mark.parametrize("limit", [0, 201])
def test_a_limit_out_of_range_is_refused(database: Database, limit: int) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="limit"):
        stuck(database, limit=limit)


def test_many_that_move_do_not_hide_one_that_is_stuck(database: Database) -> None:
    """Candidates that turn out to be alive are passed over."""
    write_process(database)
    for _ in range(30):
        trace_id = write_running(database, owner_process_id=PROCESS)
        write_steps(
            database,
            trace_id,
            {"span_id": "loop", "heartbeat_at": NOW - 15 * MINUTE},
            ended("item", parent_span_id="loop", ended_at=NOW - MINUTE),
        )
    last = write_running(database, **QUIET)
    assert only(database, limit=1).trace.trace_id == last
