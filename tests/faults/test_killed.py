"""A worker that is killed in mid-stream, at random moments: what is stored is whole as far as it goes.

`TRACEKIT_KILLS` says how often; `make faults` kills a hundred times.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

import pytest
from admin_server import wait_until
from chat_events import events
from recorders import ENVIRONMENT, body, recording, traces
from recorders import events as events_of
from serving import RawClient, serve_in_process
from sqlalchemy import make_url

from tracekit import Recorder

KILLS = int(os.environ.get("TRACEKIT_KILLS", "4"))
AT_ONCE = 5
PACE_MS = 5
FLUSH_MS = 50
"""How often the killed process writes, and so the most that may be missing."""


@pytest.fixture
def is_sound(database_url: str) -> Callable[[], bool]:
    """Whether the database's file is whole. A server looks after its own."""
    url = make_url(database_url)
    if not url.drivername.startswith("sqlite"):
        return lambda: True

    def check() -> bool:
        with closing(sqlite3.connect(str(url.database))) as connection:
            return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    return check


def test_a_worker_killed_at_any_moment_leaves_a_sound_database_and_honest_traces(
    database_url: str, is_sound: Callable[[], bool]
) -> None:
    """At most what was sent in the last flush interval is missing; numbers have no gap; and another process that lives
    ends each trace as `process_died` within 20 seconds of the kill."""
    chance = random.Random(20261127)
    environment = {**ENVIRONMENT, "TASK_TRACE_FLUSH_INTERVAL_MS": str(FLUSH_MS), "TRACEKIT_DATABASE_URL": database_url}
    with recording(database_url) as witness:
        received: dict[str, bytes] = {}
        while len(received) < KILLS:
            with ExitStack() as servers:
                for _ in range(min(AT_ONCE, KILLS - len(received))):
                    server = servers.enter_context(serve_in_process("live_app:chat", **environment))
                    trace_id, seen = _killed_after(server.port, chance.uniform(0, 0.4), server.end)
                    received[trace_id] = seen
                wait_until(partial(_have_ended, witness, len(received)), 20)
            assert is_sound()
        for trace_id, seen in received.items():
            _assert_honest(witness, trace_id, seen)


def _have_ended(recorder: Recorder, count: int) -> bool:
    found = traces(recorder)
    return len(found) == count and all(trace.end_reason == "process_died" for trace in found)


def _killed_after(port: int, seconds: float, end: Callable[[signal.Signals], str]) -> tuple[str, bytes]:
    """The id of the trace, and what a client had when the server was killed."""
    client = RawClient(port)
    client.ask(f"/stream/1000/{PACE_MS}")
    client.read_until(b"data: ")
    # The settings are read and the first rows are written: a trace of which nothing was written cannot be told of.
    time.sleep(3 * FLUSH_MS / 1000 + seconds)
    end(signal.SIGKILL)
    seen = bytes(client.read_to_end())
    name = re.search(rb"x-trace-id: ([0-9a-f]{32})", seen)
    assert name is not None
    return name[1].decode(), seen


def _assert_honest(recorder: Recorder, trace_id: str, seen: bytes) -> None:
    trace, told = recorder.store.get(trace_id), events_of(recorder, trace_id)
    assert (trace.status, trace.end_reason) == ("interrupted", "process_died")
    assert events(1000).startswith(body(recorder, trace_id))
    frames = sum(event.event_type == "stream.frame" for event in told)
    # A flush is due each interval; writing one and being scheduled take as long again on a machine that is busy.
    assert seen.count(b"data: ") - frames <= 4 * FLUSH_MS / PACE_MS
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert told[-1].event_type == "trace.finished"
    assert not recorder.store.is_exact(trace_id)
