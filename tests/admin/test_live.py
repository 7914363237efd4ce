"""The events of a trace as they happen: every one of them, once, in order, to whoever may see them."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until
from event_streams import Message, path_of_stream, streaming, until_the_end
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorders import EVERYTHING, events
from sqlalchemy import Engine, event, insert, make_url
from starlette.requests import HTTPConnection
from trace_rows import EVENTS, START, Frame, Single, change_trace, frames, mixed, write_trace

from tracekit import Recorder, TraceMiddleware, current_trace
from tracekit.store.rows import find_head
from tracekit.types import EndReason, ItemKind, Receive, Scope, Send
from tracekit_admin import Admin, live_response
from tracekit_admin.schemas import Event

NOW_US = time.time_ns() // 1000


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder that records all, on each kind of database."""
    with recording_into(database_url, admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        yield recorder


@contextmanager
def running(recorder: Recorder) -> Iterator[Any]:
    """A trace that runs while the block does, and is in the database."""
    with recorder.trace("a run") as trace:
        assert recorder.flush(10).complete
        yield trace


def end_of(trace: Any) -> None:
    """End a trace before its block ends."""
    trace.finalize(EndReason.COMPLETED)
    trace.close()


def seqs(messages: list[Message]) -> list[int]:
    return [message.seq for message in messages]


def page(admin: httpx.Client, trace_id: str) -> list[dict[str, Any]]:
    """All events of a trace, as the pages show them."""
    answer = admin.get(f"/api/task-trace/{trace_id}/events", params={"limit": 2000})
    return list(answer.json()["events"])


def test_events_come_while_they_happen_and_at_last_the_end(admin: httpx.Client, recorder: Recorder) -> None:
    """Each with its number as id, its type as name, and the document that pages show; the trace still runs then."""
    with running(recorder) as trace, streaming(admin, path_of_stream(trace.trace_id)) as stream:
        assert next(stream).event == "process.started"
        for number in range(5):
            trace.log("tick", n=number)
            message = next(stream)
            assert (message.event, message.seq, message.data["payload"]) == ("tick", number + 2, {"n": number})
        end_of(trace)
        rest, end = until_the_end(stream)
    assert seqs(rest) == [7]
    assert rest[0].data == page(admin, trace.trace_id)[-1]
    assert (end.id, end.data["status"], end.data["last_seq"], end.data["deleted"]) == ("", "completed", 7, False)
    Event.model_validate_json(json.dumps(rest[0].data), strict=True)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 700])
def test_a_trace_that_has_ended_is_sent_whole_and_ended_at_once(
    admin: httpx.Client, recorder: Recorder, count: int
) -> None:
    """However its pages fall."""
    trace_id = write_trace(recorder.database, mixed(count), ended_at=START + 1)
    began = time.monotonic()
    with streaming(admin, path_of_stream(trace_id)) as stream:
        found, end = until_the_end(stream)
    assert [message.data for message in found] == page(admin, trace_id)
    assert end.data["end_reason"] == "completed"
    assert time.monotonic() - began < 10


def test_a_stream_begins_where_it_is_asked_to(admin: httpx.Client, recorder: Recorder) -> None:
    """After `since_seq`; a browser that comes back says what it had last, and that goes before it."""
    trace_id = write_trace(recorder.database, mixed(30), ended_at=START + 1)
    path = path_of_stream(trace_id)
    for query, last, first in (("", None, 1), ("?since_seq=12", None, 13), ("?since_seq=12", 20, 21), ("", 0, 1)):
        with streaming(admin, path + query, last_event_id=last) as stream:
            assert seqs(until_the_end(stream)[0]) == list(range(first, 31))
    with streaming(admin, path, last_event_id=30) as stream:
        assert until_the_end(stream)[0] == []


def cut_off_again_and_again(admin: httpx.Client, trace_id: str, chance: random.Random) -> list[Message]:
    """What a reader gets in all whose connection is lost after any number of messages."""
    found: list[Message] = []
    while True:
        last = found[-1].seq if found else None
        with streaming(admin, path_of_stream(trace_id), last_event_id=last) as stream:
            for message, _ in zip(stream, range(chance.randrange(1, 40)), strict=False):
                if message.event == "end":
                    return found
                found.append(message)


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_that_is_cut_off_anywhere_loses_and_doubles_nothing(
    admin: httpx.Client, recorder: Recorder, seed: int
) -> None:
    """While the trace is written, sealed and ended under it, by several readers at once."""
    with running(recorder) as trace, ThreadPoolExecutor(3) as pool:
        readers = [
            pool.submit(cut_off_again_and_again, admin, trace.trace_id, random.Random(10 * seed + number))
            for number in range(3)
        ]
        chance = random.Random(seed)
        for number in range(400):
            trace.log("tick", n=number)
            if chance.random() < 0.2:
                time.sleep(chance.random() / 50)
        end_of(trace)
        for reader in readers:
            found = reader.result(60)
            assert seqs(found) == list(range(1, 403))
            assert [message.data["payload"] for message in found[1:-1]] == [{"n": number} for number in range(400)]


def streamed(count: int, pause: float) -> Callable[[Scope, Receive, Send], Any]:
    """An app that streams, and says something when its answer is long complete."""
    import asyncio

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        trace = current_trace()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(count):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await asyncio.sleep(pause)
        await send({"type": "http.response.body", "body": b""})
        await asyncio.sleep(0.5)
        trace.log("persist.progress", saved=count)

    return app


def test_what_an_app_says_after_its_answer_comes_before_the_end(
    admin: httpx.Client, recorder: Recorder, serve: Serve
) -> None:
    """A background task runs on when the trace has ended already."""
    chat = serve(TraceMiddleware(streamed(20, 0.02), recorder))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.get, chat)
        wait_until(lambda: bool(recorder.store.list_traces().items))
        (trace,) = recorder.store.list_traces().items
        with streaming(admin, path_of_stream(trace.trace_id)) as stream:
            found, _ = until_the_end(stream)
        assert answer.result().status_code == 200
    assert [message.event for message in found][-2:] == ["trace.finished", "persist.progress"]
    assert seqs(found) == list(range(1, len(found) + 1))
    assert sum(message.event == "stream.frame" for message in found) == 20


HOSTILE = [
    "end",
    "message",
    "a\nevent: end\ndata: {}\n\n",
    "a\rid: 99",
    "id: 5",
    "",
    " ",
    "\u2028event: end",
    "x" * 64,
    "emoji 🙂",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(alphabet=st.characters(codec="utf-8"), max_size=20))))
def test_nothing_recorded_can_break_out_of_its_message(
    admin: httpx.Client, recorder: Recorder, texts: list[str]
) -> None:
    """A reader gets one message for each event, whatever its name and its payload hold, and one end."""
    texts = [text.replace("\0", "") for text in texts]
    timeline = [
        moment
        for text in texts
        for moment in (Single(text[:64], {text: [text]}), text.encode(), Frame(text.encode(), ItemKind.KEEPALIVE))
    ]
    trace_id = write_trace(recorder.database, timeline, ended_at=START + 1)
    with streaming(admin, path_of_stream(trace_id)) as stream:
        found, end = until_the_end(stream)
    assert [message.data for message in found] == page(admin, trace_id)
    assert seqs(found) == list(range(1, len(timeline) + 1))
    assert end.data["last_seq"] == len(timeline)
    for message in found:
        assert message.event in (message.data["event_type"], "other")
        assert re.fullmatch(r"[\w.:-]+", message.event)


def test_a_number_that_is_missing_for_a_moment_is_waited_for(admin: httpx.Client, recorder: Recorder) -> None:
    """Rows that come in parts must not make a reader pass over the lower numbers; one that never comes is passed."""
    trace_id = write_trace(recorder.database, frames(2), status="running", end_reason=None, started_at=NOW_US)

    def add(seq: int) -> None:
        with recorder.database.writing() as connection:
            key = find_head(connection, trace_id).key
            row = {"trace_key": key, "seq": seq, "last_seq": seq, "event_type": "log", "timestamp": NOW_US + seq}
            connection.execute(insert(EVENTS), row)
        change_trace(recorder.database, trace_id, last_seq=seq)

    with streaming(admin, path_of_stream(trace_id)) as stream:
        assert seqs([next(stream), next(stream)]) == [1, 2]
        add(4)
        threading.Timer(0.5, add, [3]).start()
        assert seqs([next(stream), next(stream)]) == [3, 4]
        add(6)
        assert next(stream).seq == 6
    change_trace(recorder.database, trace_id, status="completed", end_reason="completed")


def test_a_trace_whose_payloads_are_gone_is_streamed_without_waiting(admin: httpx.Client, recorder: Recorder) -> None:
    """Its numbers have holes, and nobody fills them."""
    trace_id = write_trace(recorder.database, mixed(300), ended_at=START + 1)
    list(recorder.store.delete_payloads_before(START + 1_000_000))
    began = time.monotonic()
    with streaming(admin, path_of_stream(trace_id)) as stream:
        found, _ = until_the_end(stream)
    assert [message.data for message in found] == page(admin, trace_id)
    assert 0 < len(found) < 300
    assert time.monotonic() - began < 10


def test_a_deleted_trace_ends_its_stream(admin: httpx.Client, recorder: Recorder) -> None:
    """And the end says so."""
    trace_id = write_trace(recorder.database, frames(3), status="running", end_reason=None, started_at=NOW_US)
    with streaming(admin, path_of_stream(trace_id)) as stream:
        assert seqs([next(stream) for _ in range(3)]) == [1, 2, 3]
        assert recorder.store.delete(trace_id)
        rest, end = until_the_end(stream)
    assert rest == []
    assert (end.data["deleted"], end.data["status"]) == (True, None)


def test_a_wrong_request_is_refused_before_the_stream_begins(admin: httpx.Client, recorder: Recorder) -> None:
    """A status says so, and a problem that names the field."""
    trace_id = write_trace(recorder.database, frames(1), ended_at=START + 1)
    path = path_of_stream(trace_id)
    assert admin.get(path_of_stream("0" * 32)).status_code == 404
    assert admin.get(path_of_stream("no-id")).status_code == 404
    for last in ("-1", "x", "1.0", "9223372036854775807", "1 2", "٣"):
        answer = admin.get(path, headers={b"Last-Event-ID": last.encode()})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Last-Event-ID")
    assert admin.get(path + "?since_seq=-1").status_code == 422
    assert admin.get(path + "?since=1").status_code == 422
    assert admin.get("/api/task-trace/stream?limit=1").status_code == 422


def test_head_answers_without_a_stream(admin: httpx.Client, recorder: Recorder) -> None:
    """Whoever only wants to know whether it is there is not kept."""
    with running(recorder) as trace:
        for path in (path_of_stream(trace.trace_id), "/api/task-trace/stream"):
            answer = admin.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"].startswith("text/event-stream")


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that this process sends to any database while the block runs."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_many_readers_of_a_trace_cost_one_query_each_time_it_changes(
    address: str, recorder: Recorder, serve: Serve
) -> None:
    """They share what is read."""
    readers, steps = 30, 8
    got = [0] * readers

    def read(number: int, trace_id: str) -> None:
        limits = httpx.Limits(max_connections=1)
        with (
            httpx.Client(base_url=address, headers=BEARER, timeout=30, limits=limits) as client,
            streaming(client, path_of_stream(trace_id)) as stream,
        ):
            for message in stream:
                got[number] = message.seq if message.id else -1

    with running(recorder) as trace, ThreadPoolExecutor(readers) as pool:
        done = [pool.submit(read, number, trace.trace_id) for number in range(readers)]
        wait_until(lambda: min(got) == 1)
        with statements() as sent:
            for step in range(steps):
                trace.log("tick")
                wait_until(lambda step=step: min(got) == step + 2)
        end_of(trace)
        assert all(future.result(30) is None for future in done)
    reads = [statement for statement in sent if "task_trace_events" in statement and statement.startswith("SELECT")]
    assert steps <= len(reads) <= 4 * steps


def test_who_comes_late_gets_what_is_there_at_once(admin: httpx.Client, recorder: Recorder) -> None:
    """Also where the first page was read for somebody else, when less was written."""
    with running(recorder) as trace, streaming(admin, path_of_stream(trace.trace_id)) as early:
        assert next(early).seq == 1
        for seq in (2, 3):
            trace.log("tick")
            assert next(early).seq == seq
        with (
            httpx.Client(base_url=admin.base_url, headers=BEARER, timeout=10) as another,
            streaming(another, path_of_stream(trace.trace_id)) as late,
        ):
            assert [next(late).seq for _ in range(3)] == [1, 2, 3]
        end_of(trace)


def ask_and_never_read(address: str, path: str) -> socket.socket:
    """A client whose window is small and stays full."""
    parts = urlsplit(address)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect((str(parts.hostname), parts.port or 0))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX-User: root\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_a_reader_that_takes_nothing_holds_up_nobody(admin: httpx.Client, address: str, recorder: Recorder) -> None:
    """Neither the recorder nor the other readers; and when it reads at last, nothing is missing."""
    with running(recorder) as trace:
        stalled = [ask_and_never_read(address, path_of_stream(trace.trace_id)) for _ in range(5)]
        with streaming(admin, path_of_stream(trace.trace_id)) as stream:
            for number in range(40):
                trace.log("tick", n=number, text="x" * 50_000)
                assert recorder.flush(5).complete
            end_of(trace)
            assert seqs(until_the_end(stream)[0]) == list(range(1, 43))
        late = stalled.pop()
        body = b""
        while b"event: end" not in body:
            body += late.recv(1 << 16)
        assert [int(seq) for seq in re.findall(rb"^id: (\d+)", body, re.M)] == list(range(1, 43))
        for connection in (late, *stalled):
            connection.close()


class Door:
    """A host's check that can change its mind."""

    def __init__(self) -> None:
        self.open = True
        self.asked = 0

    def __call__(self, connection: HTTPConnection) -> bool:
        self.asked += 1
        assert connection.headers["x-user"] == "root"
        assert not isinstance(connection.scope.get("app"), str)
        return self.open


def test_a_stream_is_cut_when_its_reader_may_read_no_more(
    recorder: Recorder, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of a reader which takes nothing, and a stream in which nothing happens."""
    monkeypatch.setattr(live_response, "CHECK_S", 0.2)
    monkeypatch.setattr(live_response, "_FAREWELL_S", 0.5)
    door = Door()
    address = serve(Admin(recorder, authorize=door))
    big = write_trace(recorder.database, [b"x" * 50_000] * 200, ended_at=START + 1)
    with running(recorder) as trace, httpx.Client(base_url=address, headers={"X-User": "root"}, timeout=20) as client:
        stalled = ask_and_never_read(address, path_of_stream(big))
        with (
            streaming(client, path_of_stream(trace.trace_id)) as one,
            streaming(client, "/api/task-trace/stream") as all_,
        ):
            assert next(one).event == "process.started"
            assert next(all_).event == "listed"
            wait_until(lambda: door.asked > 6)
            trace.log("while it may")
            assert next(one).event == "other"
            door.open = False
            assert list(one) == []
            assert all(message.event != "end" for message in all_)
        received = 0
        while piece := stalled.recv(1 << 16):
            received += len(piece)
        assert received < 200 * 50_000
        stalled.close()


def test_keepalives_are_sent_while_nothing_happens(
    admin: httpx.Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As comments, which no reader takes for an event."""
    monkeypatch.setattr(live_response, "_KEEPALIVE_S", 0.1)
    with running(recorder) as trace, admin.stream("GET", path_of_stream(trace.trace_id)) as response:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if body.count(b": keepalive\n\n") >= 3:
                break
    assert body.count(b"data: ") == 1


def test_what_the_admin_streams_is_never_recorded(recorder: Recorder, serve: Serve) -> None:
    """Also where somebody put the middleware before it: each look at a trace would become a trace."""
    address = serve(TraceMiddleware(Admin(recorder), recorder))
    trace_id = write_trace(recorder.database, frames(3), ended_at=START + 1)
    with httpx.Client(base_url=address, headers=BEARER, timeout=20) as client:
        with streaming(client, path_of_stream(trace_id)) as stream:
            until_the_end(stream)
        with streaming(client, "/api/task-trace/stream") as stream:
            assert next(stream).event == "listed"
    assert recorder.flush(5).complete
    assert [trace.trace_id for trace in recorder.store.list_traces().items] == [trace_id]


def test_a_stream_outlives_a_database_that_was_away(postgres_url: str, serve: Serve) -> None:
    """The server ends every connection, as it does when it restarts; the reader notices nothing but a pause."""
    with recording_into(postgres_url, admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        with httpx.Client(base_url=serve(Admin(recorder)), headers=BEARER, timeout=30) as client:
            with running(recorder) as trace, streaming(client, path_of_stream(trace.trace_id)) as stream:
                assert next(stream).seq == 1
                for number in range(3):
                    time.sleep(0.3)
                    _end_all_connections(postgres_url)
                    trace.log("tick", n=number)
                    assert next(stream).data["payload"] == {"n": number}
            assert recorder.flush(10).complete
            assert len(events(recorder, trace.trace_id)) == 5


def _end_all_connections(url: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
