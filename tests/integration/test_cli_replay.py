"""`tracekit replay`: a recorded response served for a front end under test."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from chunk_reader import ask
from command_line import on, url_of
from timed_traces import At, write_timed_trace
from trace_rows import Single, change_trace, write_trace

from tracekit.cli.listening import listen
from tracekit.store import Database

HEAD = Single("response.started", {"status": 200, "headers": {"content-type": "text/event-stream"}})
FRAMES = [b"data: %d\n\n" % number for number in range(4)]


def spoken(database: Database) -> str:
    """A trace of four frames, a tenth of a second apart."""
    timeline = [At(0, HEAD), *(At(number / 10, frame) for number, frame in enumerate(FRAMES))]
    return write_timed_trace(database, timeline, http_status=200, bytes_seen=sum(map(len, FRAMES)))


@contextmanager
def replaying(database: Database, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The command, running on a free port; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tracekit", "replay", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        env={**os.environ, "TRACEKIT_DATABASE_URL": url_of(database)},
    )
    try:
        yield _address(process), process
    finally:
        process.kill()
        process.wait(15)
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    printed, deadline = b"", time.monotonic() + 30
    while b"\n" not in printed and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            part = os.read(process.stdout.fileno(), 65536)
            assert part, "the command ended"
            printed += part
    found = re.search(rb"http://127\.0\.0\.1:\d+", printed)
    assert found is not None, printed
    return found[0].decode()


def test_any_path_and_method_is_answered_with_the_replay(database: Database):
    """In its own time; the command ends in good order when it is told to."""
    with replaying(database, spoken(database)) as (address, process):
        answer = ask(int(address.rpartition(":")[2]), "/api/chat")
        assert (answer.chunks, answer.whole, answer.headers["content-type"]) == (FRAMES, True, "text/event-stream")
        assert answer.ended > 0.29
        with httpx.Client(base_url=address, trust_env=False) as client:
            assert client.get("/elsewhere?x=1").content == b"".join(FRAMES)
            assert client.put("/", content=b"x" * 100_000).content == b"".join(FRAMES)
            assert "access-control-allow-origin" not in client.get("/", headers={"Origin": "http://localhost"}).headers
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in (0, -signal.SIGINT)


def test_options_choose_where_and_how(database: Database):
    """One path, one start, one speed; pages of this machine may read it where that is asked for, others never."""
    trace_id = spoken(database)
    options = ("--path", "/api/chat", "--from", "seq:4", "--speed", "0", "--cors")
    with (
        replaying(database, trace_id, *options) as (address, _),
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        own, foreign = {"Origin": "http://localhost:3000"}, {"Origin": "https://localhost.example.com"}
        answer = client.post("/api/chat", headers=own)
        assert answer.content == b"".join(FRAMES[2:])
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "access-control-allow-origin" not in client.post("/api/chat", headers=foreign).headers
        asked = {**own, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-mine"}
        assert client.options("/api/chat", headers=asked).status_code == 200
        assert client.post("/api/chatter").status_code == 404


def test_a_page_that_points_its_name_here_reads_nothing(database: Database):
    """There is no password, so a name that anybody can own is not answered (DNS rebinding)."""
    with (
        replaying(database, "last" if spoken(database) else "") as (address, _),
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        for host in ("evil.example.com", "evil.com:8900", "127.0.0.1.evil.com"):
            assert client.get("/", headers={"Host": host}).status_code == 403
        for host in ("localhost:3000", "app.localhost", "127.0.0.1", "[::1]:8900", "frontend"):
            assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_recording_that_broke_off_breaks_off(database: Database):
    """Without a word on the terminal: it is no fault."""
    trace_id = spoken(database)
    change_trace(database, trace_id, status="failed", end_reason="app_error", error="ValueError: no")
    with replaying(database, trace_id, "--speed", "0") as (address, _):
        answer = ask(int(address.rpartition(":")[2]))
        assert (answer.chunks, answer.whole) == (FRAMES, False)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("0" * 32,), 3, "no trace"),
        (("--speed", "-1"), 2, "speed"),
        (("--from", "noon"), 2, "from"),
        (("--from", "seq:99"), 2, "from"),
        (("--path", "chat"), 2, "--path"),
    ],
)
def test_what_cannot_be_served_is_one_line(database: Database, arguments: tuple[str, ...], status: int, said: str):
    """And an exit status that says which kind of mistake it was."""
    trace_id = spoken(database)
    named = arguments if not arguments[0].startswith("--") else (trace_id, *arguments)
    done = on(database, "replay", *named, "--port", "0")
    assert (done.status, len(done.err.splitlines())) == (status, 1)
    assert said in done.err


def test_a_running_trace_and_a_taken_port_are_told(database: Database):
    """Neither starts a server."""
    running = write_trace(database, FRAMES, http_status=200, status="running", end_reason=None)
    assert "still runs" in on(database, "replay", running, "--port", "0").err
    with listen("127.0.0.1", 0) as taken:
        done = on(database, "replay", spoken(database), "--port", str(taken.getsockname()[1]))
        assert (done.status, "--port" in done.err) == (2, True)
