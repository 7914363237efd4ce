"""Reading traces and lists of them from the database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from trace_rows import START, frames, write_trace

from tracekit.errors import InvalidInput, NotFound
from tracekit.store import Database, TraceFilter, TraceStore


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


# Traces


def test_a_trace_is_read_with_every_column(database: Database, store: TraceStore):
    """What stands in the row is in the record, JSON columns decoded."""
    columns: dict[str, Any] = {
        "name": "chat", "session_id": "s", "message_id": "m", "client_message_id": "c", "actor": "eve",
        "actor_is_admin": True, "status": "failed", "end_reason": "app_error", "reason_code": "TIMEOUT",
        "error": "too late", "enabled_by": "header", "environment": "prod", "method": "POST", "path": "/chat",
        "client": "10.0.0.1", "http_status": 200, "content_type": "text/event-stream", "framing": "sse",
        "wire_format": "openai.chat", "model": "gpt", "input_tokens": 5, "output_tokens": 7, "stalled": True,
        "usage": '{"input_tokens": 5}', "metadata": '{"query": "a=1"}', "prompt_preview": "hi", "answer_preview": "yo",
        "first_byte_us": 9, "ended_at": START + 10, "duration_ms": 3, "parent_trace_id": "a" * 32,
    }  # fmt: skip
    trace_id = write_trace(database, frames(3), **columns)
    record = store.get(trace_id)
    expected = columns | {"usage": {"input_tokens": 5}, "metadata": {"query": "a=1"}, "trace_id": trace_id}
    assert {name: getattr(record, name) for name in expected} == expected
    assert (record.frames, record.last_seq, record.started_at) == (3, 3, START)


def test_json_columns_that_hold_something_else_are_read_all_the_same(database: Database, store: TraceStore):
    """A usage that is a list and metadata that are no JSON do not make a trace unreadable."""
    record = store.get(write_trace(database, usage="[1, 2]", metadata="{oops"))
    assert record.usage == {"value": [1, 2]}
    assert record.metadata == {"text": "{oops"}


def test_an_id_may_be_written_with_dashes_and_capitals(database: Database, store: TraceStore):
    """People copy ids out of other tools; every door takes the forms of a UUID."""
    trace_id = write_trace(database, frames(1))
    written = str(uuid.UUID(trace_id)).upper()
    assert store.get(written).trace_id == trace_id
    assert store.exists(written)
    assert len(store.events(written).events) == 1


@pytest.mark.parametrize("unknown", ["0" * 32, "", "nonsense", "\0" * 32, "'; DROP TABLE task_traces; --", "é" * 32])
def test_an_id_that_no_trace_has_is_not_found(store: TraceStore, unknown: str):
    """Every question about a trace that is not there is answered the same way, whatever was asked for."""
    asking = [store.get, store.events, store.latest_events, store.texts, store.snapshot, store.is_exact, store.children]
    for ask in asking[:-1]:
        with pytest.raises(NotFound):
            ask(unknown)
    for walk in (store.iterate_events, store.body, store.body_messages):
        with pytest.raises(NotFound):
            next(iter(walk(unknown)))
    assert not store.exists(unknown)
    assert not store.delete(unknown)


def test_children_are_the_traces_that_name_a_parent(database: Database, store: TraceStore):
    """A run finds the runs it started, in the order in which they were stored."""
    parent = write_trace(database)
    children = [write_trace(database, parent_trace_id=parent) for _ in range(3)]
    write_trace(database, parent_trace_id="f" * 32)
    assert [child.trace_id for child in store.children(parent)] == children
    assert store.children(children[0]) == []


# Lists


def listed(store: TraceStore, filter: TraceFilter | None = None, limit: int = 3) -> list[str]:
    """The ids of a list, read page by page."""
    ids: list[str] = []
    cursor = None
    while True:
        page = store.list_traces(filter, limit=limit, cursor=cursor)
        ids += [item.trace_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids
        assert len(page.items) == limit


def test_a_list_is_newest_first_over_all_its_pages(database: Database, store: TraceStore):
    """Pages follow one another without a gap or a repetition, and the last one says that it is the last."""
    stored = [write_trace(database) for _ in range(7)]
    for limit in (1, 2, 3, 7, 8):
        assert listed(store, limit=limit) == stored[::-1]


def test_traces_that_are_stored_meanwhile_do_not_shift_the_pages(database: Database, store: TraceStore):
    """A cursor names a place, not a count."""
    stored = [write_trace(database) for _ in range(4)]
    first = store.list_traces(limit=2)
    write_trace(database)
    second = store.list_traces(limit=2, cursor=first.next_cursor)
    assert [item.trace_id for item in (*first.items, *second.items)] == stored[::-1]


@pytest.mark.parametrize(
    ("condition", "column"),
    [
        ("session", "session_id"),
        ("status", "status"),
        ("end_reason", "end_reason"),
        ("actor", "actor"),
        ("environment", "environment"),
        ("model", "model"),
    ],
)
def test_a_filter_selects_by_equality(database: Database, store: TraceStore, condition: str, column: str):
    """Each condition alone selects the traces with that value and no others, over several pages."""
    wanted = [write_trace(database, **{column: value}) for value in ("x", "y", "x", "x", "z", "x")]
    assert listed(store, TraceFilter(**{condition: "x"})) == [wanted[i] for i in (5, 3, 2, 0)]
    assert listed(store, TraceFilter(**{condition: "none"})) == []


def test_conditions_hold_together(database: Database, store: TraceStore):
    """A trace is shown if it meets all conditions, times among them: after is inclusive, before is not."""
    for second in range(6):
        columns = {"status": "failed" if second % 2 else "completed", "model": "m", "started_at": START + second}
        write_trace(database, session_id="s", **columns)

    def seconds(**conditions: Any) -> list[int]:
        items = store.list_traces(TraceFilter(**conditions)).items
        return [item.started_at - START for item in items]

    assert seconds(session="s", status="failed", model="m") == [5, 3, 1]
    assert seconds(started_after=START + 2, started_before=START + 5) == [4, 3, 2]
    assert seconds(started_after=START + 2, status="failed") == [5, 3]
    assert seconds(started_before=START + 3, session="s", model="m", status="completed") == [2, 0]
    assert seconds(started_before=START + 3, session="t") == []
    assert seconds(started_after=-(2**70), started_before=2**70) == [5, 4, 3, 2, 1, 0]


def test_a_list_by_time_is_in_order_of_the_start(database: Database, store: TraceStore):
    """Traces that were imported later than they ran stand where they belong in time, over all pages."""
    starts = [3, 1, 2, 2, 5, 4, 2]
    stored = [write_trace(database, started_at=START + start) for start in starts]
    in_order = sorted(range(7), key=lambda i: (starts[i], i), reverse=True)
    assert listed(store, TraceFilter(started_after=START), limit=2) == [stored[i] for i in in_order]


@pytest.mark.parametrize("limit", [0, -1, 501, 10**30])
def test_a_list_limit_out_of_range_is_refused(store: TraceStore, limit: int):
    """A page has 1 to 500 traces; the error names the field."""
    with pytest.raises(InvalidInput) as caught:
        store.list_traces(limit=limit)
    assert caught.value.field == "limit"


def test_a_forged_or_foreign_cursor_is_refused(database: Database, store: TraceStore):
    """A cursor continues the list it came from and nothing else."""
    for _ in range(3):
        write_trace(database, status="failed")
    cursor = store.list_traces(TraceFilter(status="failed"), limit=1).next_cursor
    assert cursor is not None
    for forged in ("", "x", "é", "bnVsbA", "W10", cursor[:-3], cursor + "A", "A" * 10_000, "WzEsMiwzXQ", "\0"):
        with pytest.raises(InvalidInput) as caught:
            store.list_traces(TraceFilter(status="failed"), cursor=forged)
        assert caught.value.field == "cursor"
    with pytest.raises(InvalidInput, match="other filters"):
        store.list_traces(TraceFilter(status="completed"), cursor=cursor)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 2000])
def test_a_filter_value_that_no_row_can_hold_is_refused(store: TraceStore, value: str):
    """NUL, lone surrogates and endless values are the asker's error, not the database's."""
    for field in ("session", "model", "keyword"):
        with pytest.raises(InvalidInput) as caught:
            store.list_traces(TraceFilter(**{field: value}))
        assert caught.value.field == field
