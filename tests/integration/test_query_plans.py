"""What SQLite does to answer: it looks things up, however many traces there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event
from trace_rows import START, mixed, write_span, write_trace

from tracekit.store import Database, TraceFilter, TraceStore
from tracekit.store.schema import upgrade


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    upgrade(database)
    yield database
    database.close()


def plans(database: Database, ask: Callable[[], Any]) -> list[str]:
    """The steps of SQLite's plans for every statement that answering a question takes."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert asked
    with closing(sqlite3.connect(str(database.path()))) as connection:
        explained = [connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters) for sql, parameters in asked]
        return [str(step[3]) for steps in explained for step in steps]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table of traces or an index of one."""
    return [step for step in steps if step.startswith("SCAN task_trace")]


def sorts(steps: list[str]) -> list[str]:
    """The steps that sort what was found."""
    return [step for step in steps if step.startswith("USE TEMP B-TREE")]


LISTS = [
    (TraceFilter(), "PRIMARY KEY"),
    (TraceFilter(session="s"), "ix_task_traces_session"),
    (TraceFilter(status="failed"), "ix_task_traces_status"),
    (TraceFilter(end_reason="app_error"), "ix_task_traces_end_reason"),
    (TraceFilter(actor="a"), "ix_task_traces_actor"),
    (TraceFilter(environment="dev"), "ix_task_traces_environment"),
    (TraceFilter(model="m"), "ix_task_traces_model"),
    (TraceFilter(started_after=START), "ix_task_traces_started"),
    (TraceFilter(started_before=START), "ix_task_traces_started"),
    (TraceFilter(started_after=START, status="failed", environment="dev"), "ix_task_traces_started"),
    (TraceFilter(session="s", status="completed", environment="dev", model="m"), "ix_task_traces_session"),
    (TraceFilter(environment="dev", status="running", end_reason="completed"), "ix_task_traces_end_reason"),
    (TraceFilter(keyword="word"), "PRIMARY KEY"),
    (TraceFilter(keyword="word", session="s"), "ix_task_traces_session"),
]


@pytest.mark.parametrize(("filter", "index"), LISTS)
def test_a_list_is_read_from_an_index_in_its_order(sqlite: Database, filter: TraceFilter, index: str):
    """The first page and the next: nothing is scanned, nothing is sorted, and the index is the telling one."""
    store = TraceStore(sqlite)
    for _ in range(3):
        write_trace(
            sqlite,
            session_id="s",
            status="failed",
            end_reason="app_error",
            actor="a",
            model="m",
            texts={"answer": "word"},
        )
    cursor = store.list_traces(filter, limit=1).next_cursor
    for position in (None, cursor):
        steps = plans(sqlite, partial(store.list_traces, filter, limit=1, cursor=position))
        assert scans(steps) == []
        assert sorts(steps) == []
        assert any(step.startswith("SEARCH task_traces ") and index in step for step in steps)


def test_a_session_in_a_range_of_time_is_found_by_the_session(sqlite: Database):
    """The few traces of a session are sorted; a range of time may hold a million others."""
    filter = TraceFilter(session="s", started_after=START)
    steps = plans(sqlite, lambda: TraceStore(sqlite).list_traces(filter))
    assert scans(steps) == []
    assert any("ix_task_traces_session" in step for step in steps)


QUESTIONS: list[Callable[[TraceStore, str], Any]] = [
    lambda store, trace_id: store.get(trace_id),
    lambda store, trace_id: store.exists(trace_id),
    lambda store, trace_id: store.children(trace_id),
    lambda store, trace_id: store.events(trace_id),
    lambda store, trace_id: store.events(trace_id, since_seq=50, limit=3),
    lambda store, trace_id: store.events(trace_id, types=["log"]),
    lambda store, trace_id: store.events(trace_id, types=["stream.keepalive"]),
    lambda store, trace_id: store.latest_events(trace_id, 10),
    lambda store, trace_id: list(store.iterate_events(trace_id)),
    lambda store, trace_id: list(store.body(trace_id)),
    lambda store, trace_id: list(store.body_messages(trace_id)),
    lambda store, trace_id: store.is_exact(trace_id),
    lambda store, trace_id: store.texts(trace_id),
    lambda store, trace_id: store.snapshot(trace_id),
    lambda store, trace_id: store.estimate_deletion(START + 1),
    lambda store, trace_id: list(store.delete_payloads_before(START + 1)),
    lambda store, trace_id: list(store.delete_before(START + 1)),
    lambda store, trace_id: store.delete(trace_id),
]


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_no_question_about_a_trace_scans_a_table(sqlite: Database, number: int):
    """Reading one trace, and finding what is old, costs the same however many there are."""
    trace_id = write_trace(sqlite, mixed(100), payloads_cut=1, texts={"answer": "a"})
    write_trace(sqlite, mixed(2000), started_at=START + 1)
    write_span(sqlite, trace_id)
    steps = plans(sqlite, lambda: QUESTIONS[number](TraceStore(sqlite), trace_id))
    assert any(step.startswith("SEARCH task_trace") for step in steps)
    assert scans(steps) == []
