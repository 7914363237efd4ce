"""A fork before or after the recorder has started: every process records into the same database by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from chat_events import events
from recorders import ENVIRONMENT, recording
from recorders import body as stored_body
from serving import environment_of_tests

PRELUDE = """
import json, os, sys, threading
from asgi import END, body, run, start, streams
from chat_events import event
from tracekit import Recorder, TraceMiddleware

recorder = Recorder.from_env()
app = TraceMiddleware(streams(start(), *[body(event(n)) for n in range(30)], END), recorder)

def chat(app=app):
    trace_id = run(app).header("x-trace-id")
    with open(sys.argv[1], "a") as said:
        print(json.dumps([os.getpid(), trace_id]), file=said)

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(9)
        os._exit(0 if recorder.flush(10).complete else 8)
    return pid

def wait(pids):
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(codes), codes

"""

BEFORE_THE_START = """
# As gunicorn --preload does: the app is imported once, and the workers are forked from it.
wait([child(ready_chat) for _ in range(4)])
ready_chat()
"""

AFTER_THE_START = """
ready_chat()
wait([child(ready_chat) for _ in range(3)])
chat()
"""

IN_A_STREAM = """
ready_chat()
pids = []

async def forking(scope, receive, send):
    await send(start())
    for n in range(30):
        await send(body(event(n)))
        if n == 10:
            pids.append(child(ready_chat))
    await send(END)

chat(TraceMiddleware(forking, recorder))
wait(pids)
"""

UNDER_LOAD = """
ready_chat()
enough = threading.Event()

def busy():
    for _ in range(150):
        if not enough.is_set():
            chat()
            recorder.flush(10)

threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(8):
    wait([child(ready_chat)])
enough.set()
for thread in threads:
    thread.join()
"""

READY = """
import asyncio

def ready_chat():
    # The header with the id stands on a response only once the settings are read.
    asyncio.run(recorder.started())
    chat()

"""


SCRIPTS = {
    "before-the-start": (BEFORE_THE_START, 5),
    "after-the-start": (AFTER_THE_START, 4),
    "in-a-stream": (IN_A_STREAM, 2),
    "under-load": (UNDER_LOAD, 9),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_process_of_a_fork_records_into_one_file(sqlite_url: str, tmp_path: Path, name: str):
    """No trace is lost, none is there twice, none is held up by a lock that the fork has copied."""
    every_process_records(sqlite_url, tmp_path, *SCRIPTS[name])


def test_every_process_of_a_fork_records_into_one_server(postgres_url: str, tmp_path: Path):
    """The same with PostgreSQL: a child never uses its parent's connections."""
    every_process_records(postgres_url, tmp_path, *SCRIPTS["in-a-stream"])


def every_process_records(database_url: str, folder: Path, script: str, processes: int) -> None:
    said = folder / "said.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + READY + script, str(said)],
        check=False,
        env=environment_of_tests({"TRACEKIT_DATABASE_URL": database_url, **ENVIRONMENT}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    expected = [json.loads(line) for line in said.read_text().splitlines()]
    assert len({pid for pid, _ in expected}) == processes
    with recording(database_url) as recorder:
        found = {trace.trace_id: trace for trace in recorder.store.list_traces(limit=500).items}
        assert sorted(found) == sorted(trace_id for _, trace_id in expected)
        assert {trace.end_reason for trace in found.values()} == {"completed"}
        assert all(stored_body(recorder, trace_id) == events(30) for trace_id in found)
        owners = {(found[trace_id].owner_process_id, pid) for pid, trace_id in expected}
        assert len(owners) == processes
