"""A database that is away for longer than memory should hold what comes: it waits on disk, and nothing is lost."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from admin_server import wait_until
from asgi import END, body, run, start, streams
from chat_events import DONE, event, events
from python_processes import environment
from recorders import ENVIRONMENT, recording, traces
from recorders import body as stored_body
from sqlalchemy import make_url

from tracekit import Recorder, TraceMiddleware

COUNT = 50
SENT = events(COUNT) + DONE
CHAT = streams(start(), *map(body, map(event, range(COUNT))), body(DONE), END)

Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spool comes into use sooner than after 5 seconds, and what was left is looked for oftener."""
    monkeypatch.setattr("tracekit.writer._PATIENCE_S", 0.3)
    monkeypatch.setattr("tracekit.left_spools._INTERVAL_S", 0.5)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The folder of the spools."""
    return tmp_path / "spool"


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Somebody holds a SQLite file for himself."""
    with sqlite3.connect(path, timeout=20, isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")
    holder.close()


@contextmanager
def closed(url: str) -> Iterator[None]:
    """A PostgreSQL database that lets nobody in."""
    parsed = make_url(url).set(drivername="postgresql")
    server = parsed.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{parsed.database}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [parsed.database]
        )
        yield
        connection.execute(f'ALTER DATABASE "{parsed.database}" ALLOW_CONNECTIONS true')


@pytest.fixture
def away(database_url: str) -> Away:
    """Makes the database unusable for the length of a block."""
    parsed = make_url(database_url)
    if parsed.drivername.startswith("sqlite"):
        return lambda: locked(str(parsed.database))
    return lambda: closed(database_url)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def bodies(recorder: Recorder) -> list[bytes]:
    return [stored_body(recorder, trace.trace_id) for trace in traces(recorder)]


def test_recordings_wait_on_disk_and_are_written_in_order(database_url: str, away: Away, spool: Path) -> None:
    """Memory is given back meanwhile; afterwards every byte is there once, and the folder is empty."""
    with recording(database_url, spool_dir=spool) as recorder:
        run(TraceMiddleware(CHAT, recorder))
        assert recorder.flush(10).complete
        with away():
            for _ in range(5):
                assert run(TraceMiddleware(CHAT, recorder)).body == SENT
            wait_until(lambda: recorder.health().writer.spooled_bytes > 0 and not recorder.budget.waiting, 30)
            health = recorder.health()
            assert (health.status, health.drops.refused_events) == ("failing", 0)
            assert run(TraceMiddleware(CHAT, recorder)).body == SENT
            assert not recorder.flush(0.5).complete
        wait_until(lambda: recorder.flush(1).complete, 30)
        assert bodies(recorder) == [SENT] * 7
        assert {trace.end_reason for trace in traces(recorder)} == {"completed"}
        assert {trace.events_dropped for trace in traces(recorder)} == {0}
        assert files(spool) == []
        # The alert is over when all has been well for ten looks.
        wait_until(lambda: recorder.health().status == "ok", 30)


def test_what_waits_at_the_end_of_a_process_is_written_by_the_next(database_url: str, away: Away, spool: Path) -> None:
    """The exit is not delayed beyond its time, and the next process of whatever kind finds the file."""
    with recording(database_url, spool_dir=spool) as recorder:
        assert recorder.flush(10).complete
        with away():
            assert run(TraceMiddleware(CHAT, recorder)).body == SENT
            began = time.monotonic()
            recorder.shutdown(2)
            assert time.monotonic() - began < 4
            assert len(files(spool)) == 1
    with recording(database_url, spool_dir=spool) as recorder:
        wait_until(lambda: not files(spool), 20)
        assert bodies(recorder) == [SENT]
        assert [trace.end_reason for trace in traces(recorder)] == ["completed"]


SCRIPT = """
import sys, time
from asgi import END, body, run, start, streams
from chat_events import event
from recorders import recording
import tracekit.writer
from tracekit import Recorder, TraceMiddleware

tracekit.writer._PATIENCE_S = 0.2
recorder = Recorder(plugins_off="redact")
recorder.start()
time.sleep(1)
print("ready", flush=True)
sys.stdin.readline()

async def app(scope, receive, send):
    await receive()
    await send(start())
    for number in range(10_000):
        await send(body(event(number)))
        time.sleep(0.01)

run(TraceMiddleware(app, recorder))
"""


def test_a_process_that_is_killed_while_it_spools_loses_no_more_than_elsewhere(
    database_url: str, away: Away, spool: Path
) -> None:
    """What had reached the disk is written by the next, the trace has ended as it did, its numbers have no gap."""
    env = environment(TRACEKIT_DATABASE_URL=database_url, TRACEKIT_SPOOL_DIR=str(spool), **ENVIRONMENT)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], env=env, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        with away():
            process.stdin.write("go\n")
            process.stdin.flush()
            wait_until(lambda: any(path.stat().st_size > 2000 for path in files(spool)), 30)
            time.sleep(1)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    with recording(database_url, spool_dir=spool) as recorder:
        wait_until(lambda: not files(spool), 20)
        wait_until(lambda: traces(recorder)[0].end_reason == "process_died", 30)
        (trace,) = traces(recorder)
        stored = stored_body(recorder, trace.trace_id)
        assert len(stored) > 1000
        assert (events(10_000)).startswith(stored)
        numbers = [record.seq for record in recorder.store.events(trace.trace_id, limit=2000).events]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_spool_that_is_full_loses_nothing_silently(sqlite_url: str, spool: Path) -> None:
    """What does not fit waits in memory, then is dropped in the order that is documented, counted and shown."""
    path = str(make_url(sqlite_url).database)
    chance = random.Random(7)
    blocks = [b"data: " + chance.randbytes(5000).hex().encode() + b"\n\n" for _ in range(400)]

    async def app(scope: object, receive: Callable[[], object], send: Callable[[object], object]) -> None:
        await receive()  # type: ignore[misc]
        await send(start())  # type: ignore[misc]
        for block in blocks:
            await send(body(block))  # type: ignore[misc]
        await send(END)  # type: ignore[misc]

    options = {"spool_dir": spool, "spool_bytes": 20_000, "buffer_bytes": 1024 * 1024}
    with recording(sqlite_url, **options) as recorder:  # type: ignore[arg-type]
        assert recorder.flush(10).complete
        with locked(path):
            for _ in range(3):
                assert run(TraceMiddleware(app, recorder)).body == b"".join(blocks)  # type: ignore[arg-type]
            wait_until(lambda: recorder.health().writer.spool_problem is not None, 30)
            assert "TRACEKIT_SPOOL_BYTES" in str(recorder.health().writer.spool_problem)
            assert sum(file.stat().st_size for file in files(spool)) <= 20_000 + 1000
        wait_until(lambda: recorder.flush(1).complete, 30)
        assert files(spool) == []
        for trace in traces(recorder):
            assert trace.events_seen == trace.events_stored + trace.events_dropped
            assert trace.end_reason == "completed"
        assert sum(trace.events_dropped for trace in traces(recorder)) > 0


def test_a_database_that_was_away_from_the_start(database_url: str, away: Away, spool: Path) -> None:
    """Nothing is known of it yet, and all the same what its settings may allow is kept until it answers."""
    with away():
        recorder = Recorder(database_url, spool_dir=spool, plugins_off="redact", settings={
            "task_trace_enabled": True, "task_trace_default_on": True, "task_trace_admin_only": False,
        })  # fmt: skip
        recorder.start()
        assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        wait_until(lambda: recorder.health().writer.spooled_bytes > 0, 30)
    try:
        wait_until(lambda: recorder.flush(1).complete, 30)
        assert bodies(recorder) == [SENT]
    finally:
        recorder.shutdown()


def test_a_spool_of_another_database_is_left_alone(sqlite_url: str, tmp_path: Path, spool: Path) -> None:
    """Several apps may use one folder."""
    path = str(make_url(sqlite_url).database)
    with recording(sqlite_url, spool_dir=spool) as recorder, locked(path):
        run(TraceMiddleware(CHAT, recorder))
        recorder.shutdown(0.2)
    (left,) = files(spool)
    with recording(f"sqlite:///{tmp_path}/other.db", spool_dir=spool) as recorder:
        time.sleep(2)
        assert traces(recorder) == []
    assert files(spool) == [left]


def test_a_file_that_is_no_spool_is_set_aside(sqlite_url: str, spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said once, kept, and never asked about again."""
    spool.mkdir()
    (spool / "odd.spool").write_bytes(b"what is this")
    with recording(sqlite_url, spool_dir=spool):
        wait_until((spool / "odd.spool.damaged").exists, 10)
        time.sleep(1)
    assert sum("no spool" in line for line in caplog.messages) == 1


def test_the_spool_is_for_its_owner_only(sqlite_url: str, spool: Path) -> None:
    """It holds what people write."""
    path = str(make_url(sqlite_url).database)
    with recording(sqlite_url, spool_dir=spool) as recorder, locked(path):
        run(TraceMiddleware(CHAT, recorder))
        wait_until(lambda: bool(files(spool)), 30)
        assert spool.stat().st_mode & 0o777 == 0o700
        assert files(spool)[0].stat().st_mode & 0o777 == 0o600


def test_without_a_folder_beside_the_database_there_is_one(sqlite_url: str) -> None:
    """The name of the database's file with `.spool` behind it; nothing is made before it is needed."""
    path = Path(str(make_url(sqlite_url).database))
    with recording(sqlite_url) as recorder:
        run(TraceMiddleware(CHAT, recorder))
        assert recorder.flush(10).complete
        folder = path.with_name(f"{path.name}.spool")
        assert not folder.exists()
        with locked(str(path)):
            run(TraceMiddleware(CHAT, recorder))
            wait_until(lambda: bool(files(folder)), 30)
        wait_until(lambda: recorder.flush(1).complete, 30)
        assert files(folder) == []
