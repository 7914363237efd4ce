"""Reading the events of a trace: pages, walks, types, and what the writer does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, update
from trace_rows import (
    EVENTS,
    START,
    STEP,
    Frame,
    Single,
    cut_frame,
    frames,
    mixed,
    number_of,
    reseal,
    write_trace,
)

from tracekit.errors import InvalidInput, StoreError
from tracekit.store import Database, TraceStore
from tracekit.types import Cut, ItemKind


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


@pytest.mark.parametrize("frames_per_block", [1, 2, 5, 64, 1000])
def test_events_come_in_order_however_they_are_packed(database: Database, store: TraceStore, frames_per_block: int):
    """From any place, a page holds the events that follow it: none missed, none twice, blocks and rows together."""
    trace_id = write_trace(database, mixed(100), frames_per_block=frames_per_block)
    for since in (0, 1, 2, 3, 7, 50, 98, 99, 100, 101, 2**62):
        for limit in (1, 2, 10, 2000):
            page = store.events(trace_id, since_seq=since, limit=limit)
            expected = list(range(since + 1, 101))[:limit] if since < 100 else []
            assert [record.seq for record in page.events] == expected
            assert [number_of(record) for record in page.events] == expected
            assert page.total == 100
            assert page.has_more == (since + limit < 100)
            assert page.next_seq == (expected[-1] if expected else since)


def test_events_have_their_own_times(database: Database, store: TraceStore):
    """A packed frame and a row of its own both tell when they happened, absolutely and from the start."""
    trace_id = write_trace(database, mixed(12), frames_per_block=4)
    for record in store.events(trace_id).events:
        assert record.offset_us == record.seq * STEP
        assert record.timestamp == START + record.seq * STEP


def test_frames_are_told_from_keepalives_and_from_the_rest_of_a_broken_stream(database: Database, store: TraceStore):
    """Raw bytes with their type; a frame that never ended says so; a cut one tells what was sent."""
    whole = b"data: " + b"x" * 100
    trace_id = write_trace(
        database,
        [b"data: 1\n\n", Frame(b":\n\n", ItemKind.KEEPALIVE), cut_frame(whole, 10), Frame(b"dat", ItemKind.PARTIAL)],
    )
    plain, keepalive, cut, partial = store.events(trace_id).events
    assert (plain.event_type, plain.raw, plain.cut, plain.payload) == ("stream.frame", b"data: 1\n\n", None, None)
    assert (keepalive.event_type, keepalive.raw) == ("stream.keepalive", b":\n\n")
    assert cut.raw == whole[:10]
    assert isinstance(cut.cut, Cut)
    assert cut.cut.length == 106
    assert (partial.event_type, partial.payload) == ("stream.frame", {"partial": True})


def test_numbers_that_are_missing_end_nothing(database: Database, store: TraceStore):
    """Events that were deleted or could not be stored leave a gap that pages and walks step over."""
    trace_id = write_trace(database, mixed(3000), frames_per_block=10)
    with database.writing() as connection:
        connection.execute(EVENTS.delete().where(EVENTS.c.seq.between(20, 2500)))
    expected = [record.seq for record in store.iterate_events(trace_id)]
    assert expected[0] == 1
    assert expected[-1] == 3000
    assert all(a < b for a, b in pairwise(expected))
    for since in (0, 5, 500, 2498):
        page = store.events(trace_id, since_seq=since, limit=50)
        assert [record.seq for record in page.events] == [seq for seq in expected if seq > since][:50]
        assert page.has_more
    assert [record.seq for record in store.latest_events(trace_id, 600)] == expected[-600:]


def test_events_can_be_asked_for_by_type(database: Database, store: TraceStore):
    """Types that are packed, types that are not, both and neither; pages of them are as complete as any."""
    trace_id = write_trace(database, mixed(200), frames_per_block=16)
    everything = store.events(trace_id).events
    for types in (["log"], ["stream.keepalive"], ["log", "stream.frame"], ["usage"], []):
        expected = [record for record in everything if record.event_type in types]
        assert list(store.iterate_events(trace_id, types=types)) == expected
        page = store.events(trace_id, types=types, limit=7)
        assert list(page.events) == expected[:7]
        assert page.has_more == (len(expected) > 7)
        if len(expected) >= 7:
            exact = store.events(trace_id, types=types, since_seq=expected[-7].seq - 1, limit=7)
            assert (len(exact.events), exact.has_more) == (7, False)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 2001}, "limit"),
        ({"since_seq": -1}, "since_seq"),
        ({"since_seq": 2**63}, "since_seq"),
        ({"types": ["a\0b"]}, "type"),
        ({"types": ["\udfff"]}, "type"),
        ({"types": [str(number) for number in range(100)]}, "type"),
    ],
)
def test_a_question_about_events_that_is_out_of_range_is_refused(
    database: Database, store: TraceStore, arguments: dict[str, Any], field: str
):
    """The error names what is wrong, before anything is read."""
    trace_id = write_trace(database, frames(1))
    with pytest.raises(InvalidInput) as caught:
        store.events(trace_id, **arguments)
    assert caught.value.field == field


def test_the_latest_events_are_the_last_ones_oldest_first(database: Database, store: TraceStore):
    """Fewer are given only where there are fewer."""
    trace_id = write_trace(database, mixed(40), frames_per_block=9)
    assert [record.seq for record in store.latest_events(trace_id, 5)] == [36, 37, 38, 39, 40]
    assert [record.seq for record in store.latest_events(trace_id, 100)] == list(range(1, 41))
    assert store.latest_events(write_trace(database)) == []
    with pytest.raises(InvalidInput):
        store.latest_events(trace_id, 0)


def test_a_walk_gives_every_event_once(database: Database, store: TraceStore):
    """From any start, over many windows."""
    trace_id = write_trace(database, mixed(5000), frames_per_block=100)
    assert [number_of(record) for record in store.iterate_events(trace_id)] == list(range(1, 5001))
    assert [record.seq for record in store.iterate_events(trace_id, since_seq=4321)] == list(range(4322, 5001))


class Watched(Database):
    """A database that counts the read transactions that are open."""

    open_reads = 0

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with super().reading() as connection:
            self.open_reads += 1
            yield connection
            self.open_reads -= 1


def test_a_walk_holds_no_transaction_while_its_reader_is_slow(database: Database, database_url: str):
    """Between two events the reader may take all day: the database has no open transaction of it."""
    trace_id = write_trace(database, mixed(1000))
    watched = Watched(database_url)
    store = TraceStore(watched)
    for walk in (store.iterate_events(trace_id), store.body(trace_id), store.body_messages(trace_id)):
        next(walk)
        assert watched.open_reads == 0
    watched.close()


@pytest.mark.parametrize("first_packing", [1, 3, 50])
@pytest.mark.parametrize("second_packing", [2, 20, 1000])
def test_merging_blocks_during_a_walk_changes_nothing(
    database: Database, store: TraceStore, first_packing: int, second_packing: int
):
    """A trace that ends, and is packed anew, while it is read: no event is missed and none comes twice."""
    timeline = mixed(500)
    trace_id = write_trace(database, timeline, frames_per_block=first_packing)
    body = b"".join(store.body(trace_id))
    for stop in (1, 64, 65, 130, 333):
        reseal(database, trace_id, timeline, first_packing)
        walk, pieces, messages = store.iterate_events(trace_id), store.body(trace_id), store.body_messages(trace_id)
        seen = [next(walk).seq for _ in range(stop)]
        sent = b"".join(next(pieces) for _ in range(2))
        whole = b"".join(raw for _, raw in (next(messages) for _ in range(10)))
        reseal(database, trace_id, timeline, second_packing)
        assert seen + [record.seq for record in walk] == list(range(1, 501))
        assert sent + b"".join(pieces) == body
        assert whole + b"".join(raw for _, raw in messages) == body


def test_a_damaged_block_is_one_event_that_says_so(database: Database, store: TraceStore):
    """The events around it are read; its bytes are not invented."""
    trace_id = write_trace(database, [*frames(4), Single("log", {"n": 5})], frames_per_block=2)
    with database.writing() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.seq == 1).values(frames=b"garbage"))
    damaged, third, fourth, last = store.events(trace_id).events
    assert damaged.seq == 1
    assert damaged.raw is None
    assert damaged.payload is not None
    assert damaged.payload["last_seq"] == 2
    assert [number_of(record) for record in (third, fourth, last)] == [3, 4, 5]
    with pytest.raises(StoreError, match="damaged"):
        list(store.body(trace_id))


def test_a_payload_that_is_no_object_is_read_all_the_same(database: Database, store: TraceStore):
    """Whatever stands in the column, the event is there."""
    trace_id = write_trace(database, [Single("log", {}), Single("log", {}), Single("log")])
    with database.writing() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.seq == 1).values(payload="[1]"))
        connection.execute(update(EVENTS).where(EVENTS.c.seq == 2).values(payload="{"))
    payloads = [record.payload for record in store.events(trace_id).events]
    assert payloads == [{"value": [1]}, {"text": "{"}, None]
