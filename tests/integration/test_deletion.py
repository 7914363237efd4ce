"""Deleting traces and what they hold, in batches."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from trace_rows import (
    EVENTS,
    SPANS,
    START,
    Frame,
    Single,
    frames,
    mixed,
    stored_rows,
    write_span,
    write_trace,
)

from tracekit.store import Database, DeletionEstimate, TraceStore
from tracekit.types import ItemKind

NOTHING = {"task_traces": 0, "task_trace_events": 0, "task_trace_texts": 0, "task_trace_spans": 0}


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


def no_pause(seconds: float) -> None:
    """Tests have nobody to leave a turn to."""


def test_a_trace_goes_with_all_it_holds(database: Database, store: TraceStore):
    """Events, texts and spans go too, and nothing of other traces."""
    trace_id = write_trace(database, mixed(50), texts={"prompt": "p", "answer": "a"})
    write_span(database, trace_id)
    other = write_trace(database, frames(8), texts={"prompt": "p"})
    assert store.delete(trace_id)
    assert not store.exists(trace_id)
    assert not store.delete(trace_id)
    assert stored_rows(database) == NOTHING | {"task_traces": 1, "task_trace_events": 2, "task_trace_texts": 1}
    assert len(store.events(other).events) == 8


def test_a_large_trace_is_deleted_too(database: Database, store: TraceStore):
    """Thousands of single events go in several steps, until none is left."""
    trace_id = write_trace(database, [Single("log", {"n": number}) for number in range(5000)])
    assert store.delete(trace_id)
    assert stored_rows(database) == NOTHING


def test_what_is_older_than_a_moment_is_deleted(database: Database, store: TraceStore):
    """Started before the moment: gone; at it or later: kept; the counts of the batches add up."""
    old = [write_trace(database, mixed(20), started_at=START + second) for second in range(100)]
    kept = [write_trace(database, mixed(20), started_at=START + 100 + second) for second in range(3)]
    assert sum(store.delete_before(START + 100, pause=no_pause)) == len(old)
    assert [item.trace_id for item in store.list_traces().items] == kept[::-1]
    assert list(store.delete_before(START + 100, pause=no_pause)) == []


def test_running_traces_are_not_deleted_by_age(database: Database, store: TraceStore):
    """However old, what still runs stays, whole; asked for by id it goes."""
    running = write_trace(database, mixed(20), status="running", started_at=START - 10**15)
    write_trace(database, mixed(20))
    assert store.estimate_deletion(START + 1).traces == 1
    assert sum(store.delete_before(START + 1, pause=no_pause)) == 1
    assert sum(store.delete_payloads_before(START + 1, pause=no_pause)) == 0
    assert [item.trace_id for item in store.list_traces().items] == [running]
    assert len(store.events(running).events) == 20
    assert store.delete(running)


def test_an_estimate_is_what_a_deletion_then_deletes(database: Database, store: TraceStore):
    """Traces and stored bytes; payloads that are gone already are not counted again."""
    for second in range(10):
        write_trace(database, frames(5), started_at=START + second, bytes_stored=1000)
    write_trace(database, started_at=START, bytes_stored=1000, payloads_deleted=True)
    estimate = store.estimate_deletion(START + 5)
    assert estimate == DeletionEstimate(traces=6, bytes=5000)
    assert sum(store.delete_before(START + 5, pause=no_pause)) == estimate.traces
    assert store.estimate_deletion(START + 5) == DeletionEstimate(0, 0)
    assert store.estimate_deletion(2**80).traces == 5


@pytest.mark.parametrize("size", [20, 2500])
def test_payloads_go_and_the_trace_stays(database: Database, store: TraceStore, size: int):
    """Frames, payloads, texts, previews and summaries are gone; the row is there, and what happened when."""
    timeline = [*mixed(size), Frame(b": late\n\n", ItemKind.KEEPALIVE), Single("error", {"message": "secret"})]
    trace_id = write_trace(
        database, timeline, texts={"prompt": "p", "answer": "a"}, prompt_preview="p", answer_preview="a", model="m"
    )
    write_span(database, trace_id, input_summary="in", output_summary="out", artifacts="[]")
    before = store.iterate_events(trace_id)
    singles = [(record.seq, record.event_type, record.timestamp) for record in before if record.raw is None]
    assert sum(store.delete_payloads_before(START + 1, pause=no_pause)) == 1

    trace = store.get(trace_id)
    assert trace.payloads_deleted
    assert (trace.model, trace.frames > 0, trace.prompt_preview, trace.answer_preview) == ("m", True, None, None)
    left = list(store.iterate_events(trace_id))
    assert [(record.seq, record.event_type, record.timestamp) for record in left] == singles
    assert all(record.payload is None and record.raw is None for record in left)
    assert store.events(trace_id).total == len(singles)
    assert store.texts(trace_id).answer == ""
    assert list(store.body(trace_id)) == []
    assert not store.is_exact(trace_id)
    with database.reading() as connection:
        span = connection.execute(select(SPANS)).one()
    assert (span.input_summary, span.output_summary, span.artifacts, span.status) == (None, None, None, "success")
    assert list(store.delete_payloads_before(START + 1, pause=no_pause)) == []


def test_only_old_payloads_go(database: Database, store: TraceStore):
    """A moment parts them; the counts of the batches add up."""
    for second in range(100):
        write_trace(database, mixed(20), started_at=START + second)
    assert sum(store.delete_payloads_before(START + 60, pause=no_pause)) == 60
    items = store.list_traces(limit=100).items
    assert [item.payloads_deleted for item in items] == [False] * 40 + [True] * 60


def test_an_interrupted_deletion_of_payloads_is_carried_on(database: Database, store: TraceStore):
    """A process may die in the middle of a large trace: the next one finds what is left."""
    trace_id = write_trace(database, mixed(3000), frames_per_block=10)
    batches = store.delete_payloads_before(START + 1, batch_ms=0.0, pause=no_pause)
    assert [next(batches), next(batches)] == [0, 0]
    batches.close()
    assert not store.is_exact(trace_id)
    assert list(store.body(trace_id)) != []
    assert sum(store.delete_payloads_before(START + 1, pause=no_pause)) == 1
    assert list(store.body(trace_id)) == []


def test_an_interrupted_deletion_is_carried_on(database: Database, store: TraceStore):
    """Until the last part of a large trace is gone its row is there to find it by, and says that parts are gone."""
    trace_id = write_trace(database, mixed(3000), frames_per_block=10)
    batches = store.delete_before(START + 1, batch_ms=0.0, pause=no_pause)
    assert [next(batches), next(batches)] == [0, 0]
    batches.close()
    assert store.get(trace_id).payloads_deleted
    assert sum(store.delete_before(START + 1, pause=no_pause)) == 1
    assert stored_rows(database) == NOTHING


def test_a_batch_ends_when_its_time_is_used_up(database: Database, store: TraceStore):
    """With no time at all each batch is one small step; with much, all go at once; each rests as long as it took."""
    for _ in range(100):
        write_trace(database, frames(4))
    pauses: list[float] = []
    small = list(store.delete_before(START + 1, batch_ms=0.0, pause=pauses.append))
    assert len(small) > 1
    assert len(pauses) == len(small)
    assert all(0 < pause < 10 for pause in pauses)
    for _ in range(100):
        write_trace(database, frames(4))
    assert list(store.delete_before(START + 1, batch_ms=60_000.0, pause=no_pause)) == [100]


def test_deleting_lets_writers_in(database: Database, store: TraceStore):
    """Between any two batches the database is free: somebody else can write, and what is written stays."""
    for _ in range(200):
        write_trace(database, mixed(10), started_at=START - 1)

    def write_meanwhile(_: float) -> None:
        written.append(write_trace(database, frames(2), started_at=START))

    written: list[str] = []
    counts = list(store.delete_before(START, batch_ms=0.0, pause=write_meanwhile))
    assert sum(counts) == 200
    assert len(written) == len(counts) > 1
    assert [item.trace_id for item in store.list_traces(limit=500).items] == written[::-1]


def test_a_trace_that_is_deleted_while_it_is_read_ends_the_reading(database: Database, store: TraceStore):
    """A walk gives what it had read and stops; it does not fail."""
    trace_id = write_trace(database, mixed(1000), frames_per_block=10)
    walk, pieces = store.iterate_events(trace_id), store.body(trace_id)
    first = next(walk).seq
    next(pieces)
    store.delete(trace_id)
    assert [first, *(record.seq for record in walk)] == list(range(1, 65))
    assert len(list(pieces)) < 10
    with database.reading() as connection:
        assert connection.execute(select(EVENTS)).first() is None


def test_counts_say_how_much_there_is(database: Database, store: TraceStore):
    """Traces by status, and the size of the database."""
    for status in ("running", "completed", "completed", "failed"):
        write_trace(database, status=status)
    counts = store.counts()
    assert counts.traces == 4
    assert counts.by_status == {"running": 1, "completed": 2, "failed": 1}
    assert counts.bytes > 10_000
