"""What runs now: each running trace with its health, its last event, its process and the step it is in."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import DAY, MINUTE, NOW, PROCESS, SECOND, span_id, write_process, write_running, write_steps
from trace_rows import Frame, Single, frames, write_trace

from tracekit.errors import InvalidInput
from tracekit.store import Database, TraceStore
from tracekit.store.question_records import ActiveTrace
from tracekit.types import ItemKind

PING = Frame(b": ping\n\n", ItemKind.KEEPALIVE)


def active(database: Database, **options: Any) -> list[ActiveTrace]:
    return list(TraceStore(database).active(now=NOW, **options).items)


def only(database: Database, **options: Any) -> ActiveTrace:
    (item,) = active(database, **options)
    return item


def test_only_traces_that_run_are_told_of(database: Database) -> None:
    """What has ended, however it did, is not active."""
    write_process(database)
    for status in ("completed", "failed", "cancelled", "interrupted"):
        write_trace(database, status=status)
    running = write_running(database, name="nightly", session_id="s-1", path="/chat")
    item = only(database)
    assert (item.trace.trace_id, item.trace.name, item.trace.session_id) == (running, "nightly", "s-1")
    assert TraceStore(database).active(now=NOW).total == 1


def test_a_trace_with_something_new_moves(database: Database) -> None:
    """A frame within five seconds; its beginning is shown as text."""
    write_process(database)
    write_running(database, frames(3))
    item = only(database)
    assert item.health == "moving"
    assert item.since_last_event_us == SECOND
    assert item.last_event is not None
    assert (item.last_event.seq, item.last_event.event_type, item.last_event.preview) == (
        3, "stream.frame", "data: 3\n\n",
    )  # fmt: skip


def test_a_trace_that_says_nothing_for_seconds_is_silent(database: Database) -> None:
    """Below the idle limit silence is no fault."""
    write_process(database)
    write_running(database, frames(3), last_event_at=NOW - 6 * SECOND)
    assert only(database).health == "silent"


def test_keepalives_are_no_sign_of_movement(database: Database) -> None:
    """However fresh they are."""
    write_process(database)
    write_running(database, [*frames(3), PING], last_event_at=NOW)
    item = only(database)
    assert item.health == "silent"
    assert item.last_event is not None
    assert item.last_event.event_type == "stream.keepalive"


def test_silence_past_the_idle_limit_is_a_stall(database: Database) -> None:
    """By the setting in force, also for a run that is no stream and whose row cannot say so itself."""
    write_process(database)
    write_running(database, last_event_at=NOW - 40 * SECOND)
    assert only(database).health == "stalled"
    assert only(database, idle_timeout_ms=60_000).health == "silent"


def test_a_stalled_stream_says_since_when_nothing_was_said(database: Database) -> None:
    """Keepalives move the last event; what `stream.idle` tells is older."""
    write_process(database)
    start = NOW - MINUTE
    write_running(
        database,
        [*frames(2), Single("stream.idle", {"silence_us": 30_000}), PING],
        started_at=start,
        last_event_at=NOW,
        stalled=True,
    )
    item = only(database)
    assert item.health == "stalled"
    assert item.trace.silent_since_at == start + 3 * 20_000 - 30_000


def test_a_process_that_does_not_beat_is_told_of_with_host_and_pid(database: Database) -> None:
    """A silent process, one that ended without ending its trace, and one that never wrote its row."""
    write_process(database, "b" * 32, heartbeat_at=NOW - 41 * SECOND, pid=42)
    write_process(database, "c" * 32, ended_at=NOW - SECOND)
    ids = [write_running(database, owner_process_id=process_id) for process_id in ("b" * 32, "c" * 32, "d" * 32)]
    items = {item.trace.trace_id: item for item in active(database)}
    assert {item.health for item in items.values()} == {"no_heartbeat"}
    silent, gone, unknown = (items[trace_id].owner for trace_id in ids)
    assert silent is not None
    assert (silent.host, silent.pid, silent.since_heartbeat_us, silent.alive) == ("web-1", 42, 41 * SECOND, False)
    assert gone is not None
    assert gone.ended_at == NOW - SECOND
    assert unknown is None


def test_a_process_may_miss_two_beats(database: Database) -> None:
    """It is taken for dead after 15 seconds, not before."""
    write_process(database, heartbeat_at=NOW - 15 * SECOND)
    write_running(database)
    assert only(database).health == "moving"


def test_the_current_step_is_the_deepest_that_is_open(database: Database) -> None:
    """Not the one that began last, and not one that has ended."""
    write_process(database)
    trace_id = write_running(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "run", "layer": "L1"},
        {"span_id": "plan", "parent_span_id": "run"},
        {"span_id": "fetch", "parent_span_id": "plan", "layer": "L3", "kind": "http"},
        {"span_id": "done", "parent_span_id": "fetch", "status": "success", "ended_at": NOW},
        {"span_id": "beside", "parent_span_id": "run", "started_at": NOW - SECOND},
    )
    item = only(database)
    assert item.open_steps == 4
    assert item.step is not None
    assert (item.step.span_id, item.step.step_name, item.step.layer, item.step.kind) == (
        span_id("fetch"), "fetch", "L3", "http",
    )  # fmt: skip


def test_a_tree_of_ten_thousand_open_steps_is_no_burden(database: Database) -> None:
    """The deepest is found among those that began last, and they are counted."""
    write_process(database)
    trace_id = write_running(database)
    depth = 10_000
    write_steps(
        database,
        trace_id,
        *(
            {
                "span_id": f"{number:05}",
                "parent_span_id": f"{number - 1:05}" if number else None,
                "started_at": NOW - MINUTE + number,
            }
            for number in range(depth)
        ),
    )
    item = only(database)
    assert item.open_steps == depth
    assert item.step is not None
    assert item.step.step_name == f"{depth - 1:05}"


@pytest.mark.parametrize("parent", ["one", "two", "no such span"])
def test_parents_that_lead_nowhere_or_round_end_all_the_same(database: Database, parent: str) -> None:
    """A step whose parents are a circle, itself, or unknown is a step like others."""
    write_process(database)
    trace_id = write_running(database)
    write_steps(
        database, trace_id, {"span_id": "one", "parent_span_id": "two"}, {"span_id": "two", "parent_span_id": parent}
    )
    step = only(database).step
    assert step is not None
    assert step.step_name in ("one", "two")


def test_those_in_trouble_come_first(database: Database) -> None:
    """No heartbeat, then stalled, then by the time since the last event; the limit cuts the others."""
    write_process(database)
    moving = write_running(database, frames(1))
    silent = write_running(database, last_event_at=NOW - 10 * SECOND)
    stalled = write_running(database, stalled=True, last_event_at=NOW)
    dead = write_running(database, owner_process_id="b" * 32, last_event_at=NOW)
    assert [item.trace.trace_id for item in active(database)] == [dead, stalled, silent, moving]
    found = TraceStore(database).active(limit=2, now=NOW)
    assert [item.trace.trace_id for item in found.items] == [dead, stalled]
    assert found.total == 4


def test_a_clock_that_runs_ahead_makes_no_negative_times(database: Database) -> None:
    """An event and a beat that claim to lie in the future happened just now."""
    write_process(database, heartbeat_at=NOW + MINUTE)
    write_running(database, last_event_at=NOW + MINUTE)
    item = only(database)
    assert item.since_last_event_us == 0
    assert item.owner is not None
    assert (item.owner.since_heartbeat_us, item.owner.alive) == (0, True)


def test_damaged_and_hostile_events_are_shown_as_they_are(database: Database) -> None:
    """Bytes that are no text, and a payload of any length, become a short text."""
    write_process(database)
    write_running(database, [b"\xff\xfe" * 5000], owner_process_id=PROCESS)
    write_running(database, [Single("log", {"text": "x" * 100_000})])
    for item in active(database):
        assert item.last_event is not None
        assert 1 < len(item.last_event.preview) <= 301


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_limit_out_of_range_is_refused(database: Database, limit: int) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="limit"):
        active(database, limit=limit)


def test_an_owner_of_long_ago_is_not_alive(database: Database) -> None:
    """Whatever its row says of its end."""
    write_process(database, heartbeat_at=NOW - 2 * DAY, ended_at=None)
    write_running(database)
    assert only(database).health == "no_heartbeat"
