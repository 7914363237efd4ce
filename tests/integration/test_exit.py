"""The end of a process: whatever was captured is in the database when it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest
from chat_events import events
from recorders import ENVIRONMENT
from serving import RawClient, environment_of_tests, serve_in_process

from tracekit.store import Database, TraceStore

SCRIPT = """
import asyncio, sys, threading
from asgi import END, Wire, body, exchange, start, streams
from chat_events import event
from tracekit import Recorder, TraceMiddleware

recorder = Recorder.from_env()
app = TraceMiddleware(streams(start(), *[body(event(n)) for n in range(50)], END), recorder)

async def main():
    await asyncio.gather(*[exchange(app, Wire([{"type": "http.request"}])) for _ in range(20)])

asyncio.run(main())
"""


def run_script(url: str, ending: str, wait: str = "20") -> subprocess.CompletedProcess[str]:
    """Run the script, with an ending of its own, in a new interpreter."""
    given = {"TRACEKIT_DATABASE_URL": url, "TRACEKIT_SHUTDOWN_TIMEOUT": wait, **ENVIRONMENT}
    environment = environment_of_tests(given)
    command = [sys.executable, "-W", "error", "-c", SCRIPT + ending]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        # A thread that never ends must not keep the interpreter, nor the recorder from draining.
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", 0),
    ],
    ids=["end", "exit", "daemon-thread"],
)
def test_a_script_that_records_and_ends_loses_nothing(sqlite_url: str, ending: str, code: int):
    """Nobody called flush or shutdown: the recorder drains when the interpreter exits, however it does."""
    done = run_script(sqlite_url, ending)
    assert done.returncode == code, done.stderr
    database = Database(sqlite_url)
    store = TraceStore(database)
    found = store.list_traces().items
    assert [trace.end_reason for trace in found] == ["completed"] * 20
    assert all(b"".join(store.body(trace.trace_id)) == events(50) for trace in found)
    with database.reading() as connection:
        (ended,) = connection.exec_driver_sql("SELECT ended_at FROM task_trace_processes").scalars()
    assert ended is not None
    database.close()


def test_a_script_whose_database_is_away_ends_in_time():
    """What cannot be written is lost and said so; the exit waits no longer than it may."""
    done = run_script("postgresql://nobody@127.0.0.1:1/nothing", "", wait="0.5")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_with_streams_open_loses_nothing(sqlite_url: str, number: signal.Signals):
    """uvicorn cancels what still runs when its grace is over; each trace has every byte the client got, and its end."""
    options = ("--timeout-graceful-shutdown", "0", "--lifespan", "on")
    with serve_in_process("recorded_app:app", *options, TRACEKIT_DATABASE_URL=sqlite_url, **ENVIRONMENT) as server:
        clients = [RawClient(server.port) for _ in range(5)]
        for client in clients:
            client.ask("/open/20")
        for client in clients:
            client.read_until(b": stored")
        printed = server.end(number)
        for client in clients:
            client.close()
    database = Database(sqlite_url)
    store = TraceStore(database)
    found = store.list_traces().items
    assert [trace.end_reason for trace in found] == ["server_cancelled"] * 5, printed
    assert all(b"".join(store.body(trace.trace_id)) == events(20) + b": stored\n\n" for trace in found)
    database.close()


def test_a_stopped_server_without_a_lifespan_keeps_what_was_written(sqlite_url: str):
    """Without a lifespan uvicorn dies by the signal before anything of ours can run: what is missing is at most the
    last flush interval, and the traces end as those of a process that died."""
    options = ("--timeout-graceful-shutdown", "0", "--lifespan", "off")
    with serve_in_process("recorded_app:app", *options, TRACEKIT_DATABASE_URL=sqlite_url, **ENVIRONMENT) as server:
        client = RawClient(server.port)
        client.ask("/open/20")
        client.read_until(b": stored")
        server.end()
        client.close()
    database = Database(sqlite_url)
    store = TraceStore(database)
    (trace,) = store.list_traces().items
    assert b"".join(store.body(trace.trace_id)).startswith(events(20))
    database.close()


def test_two_workers_record_into_one_file(sqlite_url: str):
    """Each worker has its own recorder, threads and connections; together they lose nothing and repeat nothing."""
    options = ("--workers", "2", "--lifespan", "on")
    with serve_in_process("recorded_app:app", *options, TRACEKIT_DATABASE_URL=sqlite_url, **ENVIRONMENT) as server:
        said: dict[str, str] = {}
        for _ in range(40):
            # A new connection each time, so that the kernel gives it to either worker.
            answer = httpx.post(f"{server.url}/count/30", trust_env=False, timeout=30)
            said[answer.headers["x-trace-id"]] = answer.headers["x-process"]
            assert answer.content == events(30)
            if len(said) > 10 and len(set(said.values())) == 2:
                break
        printed = server.end()
    assert len(set(said.values())) == 2, printed
    database = Database(sqlite_url)
    store = TraceStore(database)
    found = {trace.trace_id: trace for trace in store.list_traces(limit=500).items}
    assert found.keys() == said.keys()
    assert {trace.end_reason for trace in found.values()} == {"completed"}
    assert all(b"".join(store.body(trace_id)) == events(30) for trace_id in found)
    assert len({trace.owner_process_id for trace in found.values()}) == 2
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    database.close()
