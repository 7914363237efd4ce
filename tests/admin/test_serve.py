"""`tracekit serve`: the admin app alone, over a database that others record into."""

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
from admin_server import BEARER, TOKEN, recording_into
from trace_rows import write_trace

COMMAND = [sys.executable, "-m", "tracekit", "serve"]


@contextmanager
def served(url: str, **environment: str) -> Iterator[tuple[str, str]]:
    """The command, running; gives its address and all it has printed until then."""
    process = subprocess.Popen(
        [*COMMAND, "--database-url", url, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200", **environment},
    )
    try:
        printed = _read_until_address(process)
        address = re.search(r"http://127\.0\.0\.1:\d+", printed)
        assert address is not None, printed
        yield address[0], printed
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    finally:
        process.kill()
        process.wait(15)
        assert process.stdout is not None
        process.stdout.close()


def _read_until_address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    printed, deadline = b"", time.monotonic() + 30
    while b"Ctrl-C" not in printed and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                break
            printed += part
    return printed.decode()


def test_an_existing_database_is_served(database_url: str) -> None:
    """With the token of the environment; it neither records nor deletes, and ends when told to."""
    with recording_into(database_url) as recorder:
        trace_id = write_trace(recorder.database)
        with served(database_url, TRACEKIT_ADMIN_TOKEN=TOKEN) as (address, printed):
            assert TOKEN not in printed
            (trace,) = httpx.get(f"{address}/api/task-trace", headers=BEARER).json()["items"]
            assert trace["trace_id"] == trace_id
            # Retention runs at the start of a process; it would have had its time by now.
            time.sleep(1.5)
            assert recorder.store.exists(trace_id)
            health = httpx.get(f"{address}/api/health", headers=BEARER).json()
            assert health["process"]["role"] == "admin"


def test_without_a_token_one_is_made_for_this_time(sqlite_url: str) -> None:
    """And printed, so that a person can sign in; nothing is open without it."""
    with recording_into(sqlite_url):
        pass
    with served(sqlite_url, TRACEKIT_ADMIN_TOKEN="") as (address, printed):
        token = re.search(r"Sign in with\s+(\S+)", printed)
        assert token is not None
        assert httpx.get(f"{address}/api/health").status_code == 401
        assert httpx.get(f"{address}/api/health", headers={"Authorization": f"Bearer {token[1]}"}).status_code == 200


def test_a_database_that_is_not_there_is_not_made(sqlite_url: str) -> None:
    """In the wrong folder an empty list would only mislead."""
    done = subprocess.run(
        [*COMMAND, "--database-url", sqlite_url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4
    assert "there is no database" in done.stderr
    assert "Traceback" not in done.stderr
