"""The list of traces as it changes: what began, stalled, went on, ended and was deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from admin_server import TOKEN, recording_into, wait_until
from event_streams import Message, streaming
from recorders import EVERYTHING
from trace_rows import START, change_trace, frames, write_trace

from tracekit import Recorder
from tracekit.live import LiveFeed, LiveList, feed
from tracekit.store import Database

STREAM = "/api/task-trace/stream"


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder that records all, on each kind of database."""
    with recording_into(database_url, admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        yield recorder


def told(message: Message) -> tuple[str, str, str]:
    """What a message says, in short."""
    return message.event, message.data["trace_id"], message.data["status"]


def running(database: Database, **columns: Any) -> str:
    now = time.time_ns() // 1000
    return write_trace(database, frames(3), **{"status": "running", "end_reason": None, "started_at": now} | columns)


def test_the_list_comes_first_and_then_each_change(admin: httpx.Client, recorder: Recorder) -> None:
    """A reader who joins knows at once what there is; from then on it is told."""
    database = recorder.database
    old = write_trace(database, frames(2), started_at=START)
    runs = running(database, model="m-1", path="/chat")
    with streaming(admin, STREAM) as stream:
        listed = next(stream)
        assert listed.event == "listed"
        assert [item["trace_id"] for item in listed.data["items"]] == [runs, old]
        new = running(database)
        assert told(next(stream)) == ("started", new, "running")
        change_trace(database, runs, stalled=True)
        changed = next(stream)
        assert (told(changed), changed.data["stalled"]) == (("changed", runs, "running"), True)
        change_trace(database, runs, stalled=False)
        assert next(stream).data["stalled"] is False
        change_trace(database, runs, status="failed", end_reason="app_error", duration_ms=12)
        ended = next(stream)
        assert (told(ended), ended.data["duration_ms"], ended.data["model"]) == (("ended", runs, "failed"), 12, "m-1")
        assert recorder.store.delete(old)
        assert told(next(stream))[:2] == ("deleted", old)


def test_a_trace_that_is_only_seen_when_it_is_over_has_begun_and_ended(admin: httpx.Client, recorder: Recorder) -> None:
    """Short answers are written in one batch."""
    with streaming(admin, STREAM) as stream:
        assert next(stream).data["items"] == []
        trace_id = write_trace(recorder.database, frames(3))
        assert [told(next(stream)) for _ in range(2)] == [
            ("started", trace_id, "completed"),
            ("ended", trace_id, "completed"),
        ]


def test_frames_alone_are_no_change_of_the_list(admin: httpx.Client, recorder: Recorder) -> None:
    """A list that told of every frame would be the stream of every trace."""
    with streaming(admin, STREAM) as stream:
        next(stream)
        with recorder.trace("a run") as trace:
            assert told(next(stream)) == ("started", trace.trace_id, "running")
            for _ in range(5):
                trace.log("tick")
                assert recorder.flush(5).complete
        assert told(next(stream)) == ("ended", trace.trace_id, "completed")


def test_the_list_tells_facts_and_no_payloads(admin: httpx.Client, recorder: Recorder) -> None:
    """What was asked and answered is for who opens the trace."""
    secret = "only in the payload"
    running(recorder.database, prompt_preview=secret, answer_preview=secret, metadata=f'{{"x":"{secret}"}}')
    with streaming(admin, STREAM) as stream:
        (item,) = next(stream).data["items"]
    assert secret not in str(item)
    assert item["started_at"].endswith("Z")
    assert item["frames"] == 3


def test_a_trace_that_runs_stays_in_the_list_however_many_are_newer(admin: httpx.Client, recorder: Recorder) -> None:
    """And its end is told."""
    runs = running(recorder.database)
    for _ in range(60):
        write_trace(recorder.database, started_at=START)
    with streaming(admin, STREAM) as stream:
        assert runs in {item["trace_id"] for item in next(stream).data["items"]}
        change_trace(recorder.database, runs, status="completed", end_reason="completed")
        assert told(next(stream)) == ("ended", runs, "completed")


def test_a_reader_that_does_not_keep_up_gets_the_list_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it missed is not held for it, and what it gets is how things stand."""
    monkeypatch.setattr(feed, "_KEPT_CHANGES", 5)
    asyncio.run(_falls_behind(database))


async def _falls_behind(database: Database) -> None:
    live = LiveFeed(database, len)
    slow, quick = live.changes(), live.changes()
    for reader in (slow, quick):
        assert isinstance(await _next(reader), LiveList)
    trace_id = write_trace(database, frames(1), status="running", end_reason=None)
    for number in range(12):
        await asyncio.to_thread(_change_and_announce, database, trace_id, number)
        change = await _next(quick)
        while change.trace.http_status != number:
            change = await _next(quick)
    last = await _next(slow)
    assert isinstance(last, LiveList)
    assert [trace.http_status for trace in last.traces] == [11]
    await asyncio.to_thread(change_trace, database, trace_id, http_status=12)
    assert (await _next(slow)).trace.http_status == 12
    for reader in (slow, quick):
        await reader.aclose()


def _change_and_announce(database: Database, trace_id: str, number: int) -> None:
    change_trace(database, trace_id, http_status=number)
    with database.writing() as connection:
        database.announce(connection)


async def _next(reader: Any) -> Any:
    return await asyncio.wait_for(anext(reader), 10)
