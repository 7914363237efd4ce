"""The body of a recorded response, its messages, its texts, and how a trace stands while it runs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from trace_rows import EVENTS, STEP, Frame, Single, change_trace, cut_frame, frames, mixed, write_trace

from tracekit.errors import StoreError
from tracekit.store import Database, OpenToolCall, Texts, TraceStore
from tracekit.store.blocks import Message
from tracekit.types import Cut, ItemKind


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


def test_a_body_is_what_went_over_the_wire(database: Database, store: TraceStore):
    """Frames, keepalives and a broken end, joined in order; other events leave nothing in it."""
    trace_id = write_trace(database, [*mixed(300), Frame(b"data: unfin", ItemKind.PARTIAL)], frames_per_block=7)
    body = b"".join(store.body(trace_id))
    assert body == b"".join(record.raw or b"" for record in store.iterate_events(trace_id))
    assert body.endswith(b"data: unfin")
    assert store.is_exact(trace_id)


def test_a_compressed_body_is_given_as_it_was_sent(database: Database, store: TraceStore):
    """The frames are for reading; the wire had other bytes, and they come back."""
    trace_id = write_trace(
        database,
        frames(4),
        frames_per_block=2,
        wires=[b"\x1f\x8b", b"rest"],
        messages=[[Message(1, 5)], [Message(3, 6), Message(2, 7)]],
    )
    assert b"".join(store.body(trace_id)) == b"\x1f\x8brest"
    assert [raw for _, raw in store.body_messages(trace_id)] == [b"\x1f", b"\x8bre", b"st"]
    assert store.is_exact(trace_id)


def test_messages_are_cut_as_the_app_sent_them(database: Database, store: TraceStore):
    """Boundaries and times come back, of empty messages too, wherever frames and blocks end."""
    sent = [Message(4, 10), Message(0, 11), Message(18, 12), Message(14, 13)]
    trace_id = write_trace(database, frames(4), frames_per_block=3, messages=[sent[:3], sent[3:]])
    assert list(store.body_messages(trace_id)) == [
        (sent[0], b"data"),
        (sent[1], b""),
        (sent[2], b": 1\n\ndata: 2\n\ndata"),
        (sent[3], b": 3\n\ndata: 4\n\n"),
    ]


def test_frames_sent_one_by_one_are_messages_of_their_own(database: Database, store: TraceStore):
    """Where each frame was one message nothing more is stored, and replay knows their times."""
    trace_id = write_trace(database, frames(3))
    assert list(store.body_messages(trace_id)) == [
        (Message(9, number * STEP), b"data: %d\n\n" % number) for number in (1, 2, 3)
    ]


def test_what_no_message_ended_comes_last(database: Database, store: TraceStore):
    """Bytes whose message was still being sent are not lost."""
    trace_id = write_trace(database, frames(2), messages=[[Message(5, 10)]])
    assert list(store.body_messages(trace_id)) == [
        (Message(5, 10), b"data:"),
        (Message(13, 2 * STEP), b" 1\n\ndata: 2\n\n"),
    ]


def test_a_frame_that_was_cut_goes_with_the_message_it_began_in(database: Database, store: TraceStore):
    """Messages have the size they were sent with; of a frame that was cut, its beginning is all there is."""
    timeline = [b"data: 1\n\n", cut_frame(b"data: " + b"x" * 94, 10), b"data: 3\n\n"]
    sent = [Message(59, 1), Message(50, 2), Message(9, 3)]
    trace_id = write_trace(database, timeline, messages=[sent])
    assert list(store.body_messages(trace_id)) == [
        (sent[0], b"data: 1\n\ndata: xxxx"),
        (sent[1], b""),
        (sent[2], b"data: 3\n\n"),
    ]


def test_a_large_frame_may_come_in_many_messages(database: Database, store: TraceStore):
    """What was sent a byte at a time is given back a byte at a time."""
    whole = b"data: " + bytes(range(256)) * 400
    trace_id = write_trace(database, [whole], messages=[[Message(1, i) for i in range(len(whole))]])
    got = list(store.body_messages(trace_id))
    assert all(message.size == len(raw) == 1 for message, raw in got)
    assert b"".join(raw for _, raw in got) == whole


@pytest.mark.parametrize("column", ["events_dropped", "bytes_dropped", "payloads_deleted"])
def test_a_body_of_which_something_is_gone_is_not_exact(database: Database, store: TraceStore, column: str):
    """What was dropped or deleted is missing, and the store says so."""
    trace_id = write_trace(database, frames(3))
    assert store.is_exact(trace_id)
    change_trace(database, trace_id, **{column: True if column == "payloads_deleted" else 1})
    assert not store.is_exact(trace_id)


@pytest.mark.parametrize("changed", [cut_frame(b"data: secret\n\n", 8), Frame(b"data: ***\n\n", cut=Cut(14, None))])
def test_a_body_with_a_frame_that_was_cut_or_redacted_is_not_exact(
    database: Database, store: TraceStore, changed: Frame
):
    """A changed frame makes the body another; a changed payload of another event does not."""
    columns: dict[str, Any] = {"payloads_cut": 1, "payloads_redacted": 1}
    assert not store.is_exact(write_trace(database, [*frames(3), changed], frames_per_block=2, **columns))
    assert store.is_exact(write_trace(database, [*frames(3), Single("log", {"cut": {}})], **columns))


def test_a_damaged_body_is_not_exact(database: Database, store: TraceStore):
    """Bytes that cannot be read are not vouched for, and reading them is an error."""
    trace_id = write_trace(database, frames(3), payloads_cut=1)
    with database.writing() as connection:
        connection.execute(update(EVENTS).values(frames=b"garbage"))
    assert not store.is_exact(trace_id)
    with pytest.raises(StoreError, match="damaged"):
        list(store.body(trace_id))


def test_texts_are_what_the_trace_says(database: Database, store: TraceStore):
    """Prompt, answer and reasoning, each empty where nothing was said."""
    trace_id = write_trace(database, texts={"prompt": "why?", "answer": "因为"})
    assert store.texts(trace_id) == Texts(prompt="why?", answer="因为", reasoning="")


def test_a_snapshot_is_all_a_reader_needs_who_joins_late(database: Database, store: TraceStore):
    """Row, texts so far, calls that are open, last events and counts; the events after it continue it."""
    timeline = [
        Single("request.received", {}),
        *mixed(100),
        Single("tool.started", {"id": "a", "name": "search"}),
        Single("tool.started", {"id": "b", "name": "fetch"}),
        Single("tool.started", {"name": "nameless"}),
        Single("tool.started", {"id": 5, "name": ["odd"]}),
        Single("tool.finished", {"id": "a", "name": "search"}),
        Single("tool.failed", {"name": "nameless"}),
    ]
    trace_id = write_trace(
        database, timeline, frames_per_block=10, texts={"answer": "so far"}, status="running", end_reason=None
    )
    snapshot = store.snapshot(trace_id)
    assert snapshot.trace == store.get(trace_id)
    assert snapshot.texts.answer == "so far"
    assert list(snapshot.open_tool_calls) == [
        OpenToolCall(103, 103 * STEP, "b", "fetch"),
        OpenToolCall(105, 105 * STEP, None, None),
    ]
    assert list(snapshot.last_events) == store.latest_events(trace_id, 50)
    assert snapshot.next_seq == 107
    types = [record.event_type for record in store.iterate_events(trace_id)]
    assert snapshot.event_counts == {event_type: types.count(event_type) for event_type in set(types)}


def test_a_snapshot_of_a_trace_without_events_is_empty(database: Database, store: TraceStore):
    """A trace that has only just begun can be joined too."""
    snapshot = store.snapshot(write_trace(database, status="running"))
    assert (list(snapshot.last_events), dict(snapshot.event_counts), snapshot.next_seq) == ([], {}, 0)
