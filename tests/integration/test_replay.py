"""A recorded response replayed by a real server: the client cannot tell it from the first time."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chat_events import DONE, FAILURE, event
from chunk_reader import ask
from recorders import recording, written
from serving import RawClient, serve
from stream_corpus import RecordedStream, cases
from studio import PARTS, SSE, Chat, Studio, opened_studio
from trace_rows import change_trace

from tracekit import Recorder, TraceMiddleware
from tracekit.replay import ReplayBroken
from tracekit.testing import replay_app


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    # Nothing is cut or masked, so that what is stored is what was sent.
    settings = {"task_trace_payload_max_length": 1 << 22}
    with recording(f"sqlite:///{folder / 'tracekit.db'}", settings, plugins_off="redact") as made:
        yield made


@pytest.fixture(scope="module")
def studio(recorder: Recorder) -> Iterator[Studio]:
    with opened_studio(recorder) as opened:
        yield opened


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_bytes_and_messages_come_as_they_came(studio: Studio, http: str):
    """Cut through frames, several in one, broken UTF-8, a keepalive and an unfinished frame: chunk by chunk."""
    trace_id, first = studio.record(Chat())
    again = studio.replay(trace_id, http)
    assert first.chunks == PARTS
    assert (again.status, again.chunks, again.whole) == (first.status, first.chunks, True)
    assert again.headers["x-tracekit-exact"] == "true"


def test_the_head_is_the_same(studio: Studio):
    """Status and headers as stored; what belongs to one connection is the server's own again."""
    headers = {"cache_control": "no-cache", "x_request_id": "r-1", "content_type": f"{SSE}; charset=utf-8"}
    trace_id, first = studio.record(Chat(status=202, transfer_encoding="chunked", **headers))
    again = studio.replay(trace_id)
    assert again.status == 202
    assert {name: again.headers[name] for name in ("cache-control", "x-request-id", "content-type")} == {
        name: first.headers[name] for name in ("cache-control", "x-request-id", "content-type")
    }
    assert again.headers["transfer-encoding"] == "chunked"


PAUSES = [0.1, 0.4, 0.05, 0.3, 0.15]


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_pauses_are_those_of_the_recording(studio: Studio, recorder: Recorder, speed: float):
    """Scaled by the speed, and counted from the request, so that their errors do not add up."""
    trace_id, _ = studio.record(Chat(pauses=PAUSES))
    offsets = [message.offset_us / 1_000_000 for message, _ in recorder.store.body_messages(trace_id)]
    again = studio.replay(trace_id, speed=speed)
    late = [at - offset / speed for at, offset in zip(again.times, offsets, strict=True)]
    assert min(late) > -0.01
    assert max(late) < 0.25
    assert again.ended > offsets[-1] / speed - 0.01


def test_without_pauses_nothing_is_waited_for(studio: Studio):
    """Speed 0 is as fast as it goes."""
    trace_id, _ = studio.record(Chat(pauses=PAUSES))
    assert studio.replay(trace_id, speed=0).ended < 0.5


def test_the_silence_before_the_end_is_kept(studio: Studio):
    """A stream that hung before it broke off hangs again."""
    trace_id, _ = studio.record(Chat(pauses=[0, 0, 0, 0, 0.4], ends=ValueError("late")))
    again = studio.replay(trace_id, speed=1)
    assert not again.whole
    assert again.ended >= 0.39


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_an_app_that_raised_raises_again(studio: Studio, recorder: Recorder, http: str):
    """The connection breaks off without the last chunk, and the server hears what it was."""
    trace_id, first = studio.record(Chat(ends=ValueError("the model broke")))
    with serve(replay_app(trace_id, store=recorder.store), http=http) as served:
        again = ask(served.port)
        served.wait_for(1)
    assert (again.chunks, again.whole, first.whole) == (PARTS, False, False)
    (raised,) = served.raised
    assert isinstance(raised, ReplayBroken)
    assert raised.end_reason == "app_error"
    assert "ValueError: the model broke" in str(raised)


def test_a_client_that_left_finds_the_connection_given_up(studio: Studio, recorder: Recorder):
    """What it had received comes again, and no end."""
    with serve(TraceMiddleware(Chat(ends="left"), recorder)) as served, RawClient(served.port) as client:
        client.ask()
        client.read_until(b"unfinished")
        client.close()
        served.wait_for(1)
    written(recorder)
    trace = recorder.store.list_traces(limit=1).items[0]
    assert trace.end_reason == "client_disconnected"
    again = studio.replay(trace.trace_id)
    assert (again.chunks, again.whole) == (PARTS, False)


@pytest.mark.parametrize("reason", ["server_cancelled", "process_died", "recording_failed", "a_word_of_tomorrow"])
def test_what_broke_off_breaks_off(studio: Studio, recorder: Recorder, reason: str):
    """Whoever ended it, also in a word that this version does not know."""
    trace_id, _ = studio.record(Chat())
    change_trace(recorder.database, trace_id, status="interrupted", end_reason=reason)
    again = studio.replay(trace_id)
    assert (again.chunks, again.whole) == (PARTS, False)


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (Chat([event(1), DONE]), "completed"),
        (Chat([event(1), FAILURE]), "stream_error"),
        (Chat([b'{"detail": "no"}'], status=503, content_type="application/json"), "http_error"),
        (Chat([]), "no_data_closed"),
    ],
    ids=["completed", "stream_error", "http_error", "no_data_closed"],
)
def test_what_ended_in_good_order_ends_so_again(studio: Studio, recorder: Recorder, app: Chat, reason: str):
    """An error that was told in the stream or by the status is no broken connection."""
    trace_id, first = studio.record(app)
    assert recorder.store.get(trace_id).end_reason == reason
    again = studio.replay(trace_id)
    assert (again.status, again.chunks, again.whole) == (first.status, first.chunks, True)


def test_a_compressed_response_is_sent_as_it_went_over_the_wire(studio: Studio, recorder: Recorder):
    """The same compressed bytes, under the same Content-Encoding."""
    wire = gzip.compress(event(1) + event(2) + DONE)
    trace_id, _ = studio.record(Chat([wire[:20], wire[20:]], content_encoding="gzip"))
    again = studio.replay(trace_id)
    assert again.chunks == [wire[:20], wire[20:]]
    assert again.headers["content-encoding"] == "gzip"
    with serve(replay_app(trace_id, store=recorder.store)) as served:
        assert httpx.post(served.url, trust_env=False).text == (event(1) + event(2) + DONE).decode()


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_content_length_is_kept_where_it_holds(recorder: Recorder, http: str):
    """A whole body has it, one that broke off had more to come: no server complains, and no client is misled."""
    body = b"".join(PARTS)
    for ends, length in ((None, len(body)), (ValueError("x"), len(body) + 10)):
        app = TraceMiddleware(Chat(ends=ends, content_length=str(length)), recorder)
        with serve(app, http=http) as served, RawClient(served.port) as client:
            client.ask(connection="close")
            first = client.read_to_end()
        written(recorder)
        trace_id = recorder.store.list_traces(limit=1).items[0].trace_id
        with serve(replay_app(trace_id, store=recorder.store), http=http) as served, RawClient(served.port) as client:
            client.ask(connection="close")
            again = client.read_to_end()
        assert again.partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2] == body
        assert b"content-length: %d\r\n" % length in again.lower()


def test_a_head_request_gets_the_head(studio: Studio, recorder: Recorder):
    """Any method is answered; this one has no body."""
    trace_id, _ = studio.record(Chat())
    with serve(replay_app(trace_id, store=recorder.store)) as served:
        answer = httpx.head(f"{served.url}/any/path", trust_env=False)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", SSE)


def test_a_client_that_leaves_ends_the_replay(studio: Studio, recorder: Recorder):
    """Nobody waits for a pause of an hour that nobody sees."""
    trace_id, _ = studio.record(Chat(pauses=[0, 0.3]))
    with serve(replay_app(trace_id, store=recorder.store, speed=0.0001)) as served, RawClient(served.port) as client:
        client.ask()
        client.close()
        served.wait_for(1)
    assert served.raised == [None]


def test_many_replays_run_beside_one_another(studio: Studio, recorder: Recorder):
    """Nothing is shared between requests."""
    trace_id, _ = studio.record(Chat(pauses=PAUSES))

    async def answers(url: str) -> list[bytes]:
        async with httpx.AsyncClient(trust_env=False) as client:
            return [answer.content for answer in await asyncio.gather(*[client.post(url) for _ in range(20)])]

    with serve(replay_app(trace_id, store=recorder.store, speed=2)) as served:
        assert asyncio.run(answers(served.url)) == [b"".join(PARTS)] * 20


@pytest.mark.parametrize("stream", cases())
def test_a_provider_stream_replays_as_it_was(studio: Studio, stream: RecordedStream):
    """Every stream of the corpus, cut anywhere, and every message of it."""
    media_type = stream.response["content_type"]
    headers = {name.replace("-", "_"): value for name, value in stream.response.get("headers", {}).items()}
    parts = [stream.body[begin : begin + 997] for begin in range(0, len(stream.body), 997)]
    trace_id, first = studio.record(Chat(parts, content_type=media_type, **headers))
    again = studio.replay(trace_id)
    assert again.chunks == first.chunks == parts
    assert again.headers["content-type"] == media_type
    assert again.headers["x-tracekit-exact"] == "true"
    assert again.whole
