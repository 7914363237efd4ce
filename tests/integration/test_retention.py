"""Retention: what is old goes by itself, in one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from sqlalchemy import text
from trace_rows import START, frames, stored_rows, write_trace

from tracekit.config import SystemSettings
from tracekit.retention import RetentionSweeper
from tracekit.store import Database, TraceStore
from tracekit.store.leases import try_lease

DAY = 86_400_000_000


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


def sweeper(store: TraceStore, clock: Clock, **settings: Any) -> RetentionSweeper:
    """A sweeper with some settings."""
    return RetentionSweeper(store, lambda: SystemSettings.model_validate(settings), clock)


def ages(store: TraceStore) -> list[int]:
    """The ages of the traces that are left, in days, oldest first."""
    return sorted((START - item.started_at) // DAY for item in store.list_traces().items)[::-1]


def test_traces_older_than_the_setting_are_deleted(database: Database, store: TraceStore, clock: Clock):
    """Seven days keep seven days; a trace of exactly that age is kept."""
    for age in (0, 1, 6, 7, 8, 30):
        write_trace(database, frames(3), started_at=START - age * DAY)
    result = sweeper(store, clock, task_trace_retention_days=7).run(threading.Event())
    assert (result.held, result.finished, result.traces, result.problem) == (True, True, 2, None)
    assert ages(store) == [7, 6, 1, 0]


def test_zero_days_keep_everything(database: Database, store: TraceStore, clock: Clock):
    """0 is no age."""
    write_trace(database, frames(3), started_at=START - 10_000 * DAY)
    result = sweeper(store, clock, task_trace_retention_days=0).run(threading.Event())
    assert (result.finished, result.traces, result.payloads) == (True, 0, 0)
    assert stored_rows(database)["task_trace_events"] == 1


@pytest.mark.parametrize("days", [0, 30])
def test_payloads_go_earlier_where_a_setting_says_so(database: Database, store: TraceStore, clock: Clock, days: int):
    """Old payloads go and their traces stay, also where traces are kept for ever."""
    for age in (1, 5, 20):
        write_trace(database, frames(3), started_at=START - age * DAY)
    settings = {"task_trace_retention_days": days, "task_trace_payload_retention_days": 3}
    result = sweeper(store, clock, **settings).run(threading.Event())
    assert (result.traces, result.payloads) == (0, 2)
    assert ages(store) == [20, 5, 1]
    assert [item.payloads_deleted for item in store.list_traces().items] == [True, True, False]


def test_settings_count_as_they_are_when_the_sweep_begins(database: Database, store: TraceStore, clock: Clock):
    """A change needs no restart."""
    write_trace(database, started_at=START - 5 * DAY)
    settings = {"task_trace_retention_days": 7}
    asked = RetentionSweeper(store, lambda: SystemSettings.model_validate(settings), clock)
    assert asked.run(threading.Event()).traces == 0
    settings["task_trace_retention_days"] = 3
    assert asked.run(threading.Event()).traces == 1


def test_a_sweep_is_due_at_start_and_once_a_day(store: TraceStore, clock: Clock):
    """Also when the clock was set back, so that a wrong date does not switch retention off."""
    asked = sweeper(store, clock)
    assert asked.due(clock.now)
    asked.run(threading.Event())
    assert not asked.due(clock.now)
    assert not asked.due(clock.now + DAY - 1)
    assert asked.due(clock.now + DAY)
    assert asked.due(clock.now - 1)


def test_a_sweep_that_is_stopped_leaves_the_rest_for_later(database: Database, store: TraceStore, clock: Clock):
    """Stopping takes effect between two batches, and the sweep is due again in an hour, not in a day."""
    write_trace(database, started_at=START - 50 * DAY)
    stop = threading.Event()
    stop.set()
    asked = sweeper(store, clock)
    result = asked.run(stop)
    assert (result.held, result.finished, result.traces) == (True, False, 0)
    assert asked.due(clock.now + DAY // 24)
    assert len(ages(store)) == 1


def test_one_process_sweeps_at_a_time(database: Database, store: TraceStore, clock: Clock):
    """Who finds another at it does nothing and comes back in an hour; afterwards the way is free."""
    write_trace(database, started_at=START - 50 * DAY)
    asked = sweeper(store, clock)
    with try_lease(database, "retention") as held:
        assert held
        result = asked.run(threading.Event())
        assert (result.held, result.finished, result.traces) == (False, False, 0)
        assert asked.due(clock.now + DAY // 24)
    assert asked.run(threading.Event()).traces == 1


def test_leases_of_other_names_do_not_matter(database: Database):
    """A lease is for one kind of work."""
    with try_lease(database, "retention") as held, try_lease(database, "other") as other:
        assert held
        assert other


HOLDER = """
import sys
from tracekit.store import Database
from tracekit.store.leases import try_lease
with try_lease(Database(sys.argv[1]), "retention") as held:
    print(held, flush=True)
    sys.stdin.read()
"""


def test_a_lease_ends_with_the_process_that_holds_it(database: Database, database_url: str):
    """Another process holds it until it is killed: no lease outlives its holder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with try_lease(database, "retention") as held:
            assert not held
        process.kill()
        process.wait(10)
    assert any(is_free(database) for _ in range(100))


def is_free(database: Database) -> bool:
    """Whether nobody holds the lease; waits a moment if somebody does: a server notices a death when it looks."""
    with try_lease(database, "retention") as held:
        if not held:
            time.sleep(0.1)
        return held


def test_a_database_that_fails_does_not_raise_out_of_a_sweep(database: Database, store: TraceStore, clock: Clock):
    """The result names the problem, and the sweep is due again in an hour."""
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE task_traces RENAME TO elsewhere"))
    asked = sweeper(store, clock)
    result = asked.run(threading.Event())
    assert result.problem is not None
    assert not result.finished
    assert asked.due(clock.now + DAY // 24)
    with try_lease(database, "retention") as held:
        assert held
