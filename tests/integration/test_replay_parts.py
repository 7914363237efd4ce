"""What of a recording is replayed: from where on, how exact, in what head; and what cannot be replayed."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import shutil
import tracemalloc
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from asgi import Outcome, Wire, http_scope, request, run
from hostile_json import ANY_JSON
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import update
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from timed_traces import At, write_timed_trace
from trace_rows import EVENTS, Frame, Single, change_trace, cut_frame, frames, write_trace

from tracekit import TracekitError
from tracekit.errors import InvalidInput, NotFound, StoreError, WrongState
from tracekit.plugins import PluginHost
from tracekit.recorded_response import BEGINNING, Start, parse_start, stored_response
from tracekit.replay import checked_speed
from tracekit.store import Database, EventRecord, TraceStore
from tracekit.store.blocks import Message
from tracekit.testing import record_stream, replay_app
from tracekit.types import Cut

HEAD = Single("response.started", {"status": 200, "headers": {"content-type": "text/event-stream"}})


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


def replayed(app: Any, method: str = "POST") -> Outcome:
    """One request to a replay. Nothing of it runs on afterwards."""
    outcome = run(app, Wire([request()]), http_scope(method=method))
    assert outcome.tasks == 0
    return outcome


def bodies(outcome: Outcome) -> list[bytes]:
    """The body messages, without the empty last one."""
    return [message["body"] for message in outcome.sent[1:] if message["more_body"]]


def spoken(database: Database, **columns: Any) -> str:
    """Four frames, a second apart, in messages that do not keep to them."""
    timeline = [At(0, HEAD), *(At(second, b"data: %d\n\n" % second) for second in (1, 2, 3, 4))]
    sent = [Message(4, 500_000), Message(23, 3_000_000), Message(9, 4_000_000)]
    facts = {"http_status": 200, "bytes_seen": 36, "content_type": "text/event-stream"}
    return write_timed_trace(database, timeline, messages=[sent], **facts | columns)


# From where on


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        ("0", [b"data", b": 1\n\ndata: 2\n\ndata: 3\n\n", b"data: 4\n\n"]),
        ("seq:1", [b"data", b": 1\n\ndata: 2\n\ndata: 3\n\n", b"data: 4\n\n"]),
        ("1000000", [b"data", b": 1\n\ndata: 2\n\ndata: 3\n\n", b"data: 4\n\n"]),
        ("1000001", [b"data: 2\n\ndata: 3\n\n", b"data: 4\n\n"]),
        ("seq:3", [b"data: 2\n\ndata: 3\n\n", b"data: 4\n\n"]),
        ("seq:4", [b"data: 3\n\n", b"data: 4\n\n"]),
        ("4000000", [b"data: 4\n\n"]),
    ],
)
def test_a_replay_starts_at_a_frame(database: Database, store: TraceStore, start: str, sent: list[bytes]):
    """At the first one that came then or later, or has that number: never in the middle of one."""
    outcome = replayed(replay_app(spoken(database), store=store, start=start))
    assert bodies(outcome) == sent
    assert outcome.raised is None


def test_a_start_in_the_middle_keeps_the_pause_from_there(database: Database, store: TraceStore):
    """Half a second before the third frame is half a second of pause; a frame's number means at once."""
    trace_id = spoken(database)
    assert stored_response(store, trace_id, Start(2_500_000)).origin_us == 2_500_000
    assert stored_response(store, trace_id, Start(seq=4)).origin_us == 3_000_000


@pytest.mark.parametrize("start", ["4000001", "seq:6", "9223372036854775808", "seq:9999999999999999999"])
def test_a_start_past_the_end_is_refused(database: Database, store: TraceStore, start: str):
    """An empty answer would look like a bug of the front end."""
    with pytest.raises(InvalidInput, match="nothing of the response") as refusal:
        stored_response(store, spoken(database), parse_start(start))
    assert refusal.value.field == "from"


@given(st.text(max_size=12) | st.from_regex(r"(seq:)?\d{0,22}"))
@example("seq:")
@example("-1")
@example("１２")
@example("12\n")
def test_a_start_is_a_number_or_refused(text: str):
    """Microseconds or a frame's number, in plain digits."""
    if re.fullmatch(r"(seq:)?[0-9]{1,19}", text):
        assert parse_start(text) != BEGINNING or text.strip("0") == ""
    else:
        with pytest.raises(InvalidInput):
            parse_start(text)


def test_a_compressed_response_has_only_its_beginning(database: Database, store: TraceStore):
    """From the middle of its bytes nobody could decompress it."""
    trace_id = write_trace(
        database, [HEAD, *frames(2)], http_status=200, content_encoding="gzip", bytes_seen=4, wires=[b"\x1f\x8bxx"]
    )
    with pytest.raises(InvalidInput, match="compressed"):
        stored_response(store, trace_id, Start(seq=3))
    assert replayed(replay_app(trace_id, store=store)).body == b"\x1f\x8bxx"
    change_trace(database, trace_id, events_dropped=1)
    assert bodies(replayed(replay_app(trace_id, store=store, start="seq:3"))) == [b"data: 2\n\n"]


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_a_speed_is_a_number_of_times(speed: float):
    """Time runs forwards."""
    with pytest.raises(InvalidInput):
        checked_speed(speed)


# How exact


@pytest.mark.parametrize("changed", [cut_frame(b"data: " + b"x" * 90, 8), Frame(b"data: ***\n\n", cut=Cut(14, None))])
def test_a_body_that_was_changed_says_so(database: Database, store: TraceStore, changed: Frame):
    """It is sent as it is stored, without the length that it no longer has."""
    head = Single("response.started", {"status": 200, "headers": {"content-length": "99"}})
    columns = {"http_status": 200, "bytes_seen": 99, "payloads_cut": 1, "payloads_redacted": 1}
    outcome = replayed(replay_app(write_trace(database, [head, b"data: 1\n\n", changed], **columns), store=store))
    assert outcome.body == b"data: 1\n\n" + changed.raw
    assert outcome.header("x-tracekit-exact") == "false"
    assert outcome.header("content-length") is None


@pytest.mark.parametrize("columns", [{"events_dropped": 3}, {"bytes_dropped": 3}, {"payloads_deleted": True}])
def test_a_body_with_gaps_says_so(database: Database, store: TraceStore, columns: dict[str, Any]):
    """What is left of it is sent, and the end is the end it had."""
    outcome = replayed(replay_app(spoken(database, **columns), store=store))
    assert outcome.header("x-tracekit-exact") == "false"
    assert outcome.body == b"data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"
    assert outcome.sent[-1]["more_body"] is False


def test_a_trace_that_is_deleted_meanwhile_does_not_end_well(database: Database, store: TraceStore):
    """What looks like the end of the answer would be none."""
    trace_id = spoken(database)
    app = replay_app(trace_id, store=store)
    store.delete(trace_id)
    outcome = replayed(app)
    assert isinstance(outcome.raised, TracekitError)
    assert all(message.get("more_body", True) for message in outcome.sent)


def test_damage_in_the_middle_breaks_the_replay_off(database: Database, store: TraceStore):
    """Bytes that cannot be read are not passed over."""
    trace_id = write_trace(database, [HEAD, *frames(100)], http_status=200, bytes_seen=900, frames_per_block=10)
    app = replay_app(trace_id, store=store)
    with database.writing() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.seq > 50, EVENTS.c.frames.is_not(None)).values(frames=b"x"))
    outcome = replayed(app)
    assert isinstance(outcome.raised, StoreError)
    assert all(message.get("more_body", True) for message in outcome.sent)


# In what head


SPOKEN = record_stream(b"data: 1\n\ndata: 2\n\n", chunks=[4, 7])


@given(document=ANY_JSON | st.fixed_dictionaries({"status": ANY_JSON, "headers": ANY_JSON}))
@example({"status": 200, "headers": {"Content-Type": "a\r\nset-cookie: x=1", "vary": 5, "via": "ä ", "server": "Ω"}})
@example({"status": True, "headers": {"content-type": "text/plain", "set-cookie": "a=b", "location": "//evil"}})
@example({"status": 204, "headers": {"content-length": "9" * 30, "transfer-encoding": "chunked"}})
def test_whatever_stands_as_the_head_becomes_a_head(document: Any):
    """A recording may have been imported: no status, name or value of it makes another header, or an error."""
    payload = document if isinstance(document, dict) else {"value": document}
    head = EventRecord(1, "response.started", 0, 0, payload=payload)
    outcome = replayed(replay_app(replace(SPOKEN, events=[head])))
    assert outcome.raised is None
    assert 200 <= outcome.sent[0]["status"] < 600
    for name, value in outcome.sent[0]["headers"]:
        assert re.fullmatch(rb"[a-z-]+", name)
        assert re.fullmatch(rb"[\t\x20-\x7e\x80-\xff]*", value)
        assert name not in (b"set-cookie", b"location", b"transfer-encoding", b"connection", b"content-length")


def test_latin_1_in_a_header_comes_as_it_was():
    """Old servers send it; it is one byte a character."""
    outcome = replayed(replay_app(record_stream(b"data: 1\n\n", headers={"x-request-id": "caf\xe9"})))
    assert (b"x-request-id", b"caf\xe9") in outcome.sent[0]["headers"]


# What cannot be replayed


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"status": "running", "end_reason": None}, "still runs"),
        ({"http_status": None}, "no HTTP response"),
    ],
)
def test_a_trace_without_a_whole_response_is_refused(
    database: Database, store: TraceStore, columns: dict[str, Any], why: str
):
    """What still runs has no end yet, and a run of a job was never an answer."""
    with pytest.raises(WrongState, match=why):
        stored_response(store, spoken(database, **columns))


def test_a_response_of_which_nothing_is_left_is_refused(database: Database, store: TraceStore):
    """Deleted payloads, frames that were all dropped, and a file that the server sent by itself."""
    deleted = write_trace(database, [HEAD], http_status=200, bytes_seen=100, payloads_deleted=True)
    dropped = write_trace(database, [HEAD], http_status=200, bytes_seen=100, events_dropped=9)
    sent = write_trace(database, [HEAD, Single("response.file_sent", {})], http_status=200)
    for trace_id, why in ((deleted, "nothing is left"), (dropped, "nothing is left"), (sent, "a file")):
        with pytest.raises(WrongState, match=why):
            stored_response(store, trace_id)


@pytest.mark.parametrize("trace_id", ["0" * 32, "no id", ""])
def test_an_unknown_trace_is_not_found(store: TraceStore, trace_id: str):
    """Whatever it is called."""
    with pytest.raises(NotFound):
        stored_response(store, trace_id)


# As an app for tests

UNMASKED = PluginHost(off=["redact"])


@given(
    body=st.binary(max_size=200) | st.lists(st.sampled_from([b"data: 1\n\n", b"\r\n", b": k\n\n"])).map(b"".join),
    sizes=st.lists(st.integers(1, 40), max_size=8),
)
def test_any_recorded_stream_is_sent_again_cut_as_it_was(body: bytes, sizes: list[int]):
    """What `record_stream` was given comes back, message by message."""
    ends = [min(end, len(body)) for end in [*accumulate(sizes), len(body)]]
    sent = [body[begin:end] for begin, end in pairwise([0, *ends]) if begin < end]
    outcome = replayed(replay_app(record_stream(body, chunks=sizes, plugins=UNMASKED)))
    assert outcome.body == body
    assert bodies(outcome) == sent
    assert outcome.header("x-tracekit-exact") == "true"


def test_what_was_masked_is_not_sent():
    """The replay of a stream with a credential has the mask, and says that it is not exact."""
    secret = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ" * 2
    outcome = replayed(replay_app(record_stream(f'data: {{"api_key": "{secret}"}}\n\n')))
    assert secret.encode() not in outcome.body
    assert outcome.header("x-tracekit-exact") == "false"


def test_a_compressed_response_that_was_masked_is_sent_plain():
    """Its bytes on the wire would show what the mask hides."""
    secret = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ" * 2
    wire = gzip.compress(f'data: {{"api_key": "{secret}"}}\n\ndata: 2\n\n'.encode())
    trace = record_stream(wire, headers={"content-encoding": "gzip"})
    outcome = replayed(replay_app(trace))
    assert bodies(outcome) == [event.raw for event in trace.events if event.raw]
    assert outcome.header("content-encoding") is None
    assert outcome.header("x-tracekit-exact") == "false"


def test_an_id_needs_its_store():
    """The mistake is told where it is made."""
    with pytest.raises(ValueError, match="store"):
        replay_app("0" * 32)


def test_it_can_be_served_by_anything():
    """Lifespans are answered, so that a test client can enter and leave; a WebSocket is refused."""
    with TestClient(replay_app(SPOKEN)) as client:
        assert client.post("/v1/chat/completions", json={}).text == "data: 1\n\ndata: 2\n\n"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
            pass


def test_memory_does_not_grow_with_the_recording(sqlite_template: Path):
    """A replay holds a few blocks and pages, however long it is and however slowly it is read."""
    database = Database(f"sqlite:///{sqlite_template}.large")
    shutil.copyfile(sqlite_template, f"{sqlite_template}.large")
    chunk = os.urandom(16 * 1024)
    trace_id = write_trace(database, [HEAD, *([chunk] * 2048)], http_status=200, frames_per_block=16)
    app = replay_app(trace_id, store=TraceStore(database))
    sent = 0

    async def take(message: Any) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))

    async def main() -> None:
        await app(http_scope(), Wire([request()]).receive, take)

    tracemalloc.start()
    try:
        asyncio.run(main())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        database.close()
    assert sent == 2048 * len(chunk)
    assert peak < 8 * 1024 * 1024
