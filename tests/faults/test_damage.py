"""A database file that is damaged, and backups: kept, replaced, said in red; made, looked through, put back."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from admin_server import BEARER, TOKEN, recording_into, serving, wait_until
from asgi import END, body, run, start, streams
from chat_events import DONE, event, events
from command_line import tracekit
from recorders import EVERYTHING, recording, traces
from recorders import body as stored_body
from sqlalchemy import make_url
from trace_rows import frames, write_trace

from tracekit import Recorder, TraceMiddleware
from tracekit.errors import InvalidInput, StoreError, StoreUnavailable, WrongState
from tracekit.store import Database
from tracekit.store.backups import Backups, fault_of
from tracekit_admin import Admin

COUNT = 50
SENT = events(COUNT) + DONE
CHAT = streams(start(), *map(body, map(event, range(COUNT))), body(DONE), END)


@pytest.fixture
def path(sqlite_url: str) -> Path:
    """The file of the database."""
    return Path(str(make_url(sqlite_url).database))


def damaged(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def spoil(path: Path, where: int, length: int = 4096) -> None:
    """Write rubbish over a part of a file, as a disk might."""
    with path.open("r+b") as file:
        file.seek(where)
        file.write(random.Random(where).randbytes(min(length, path.stat().st_size - where)))


def recorded(sqlite_url: str, count: int = 20) -> None:
    """Some traces in a file that nobody has open."""
    with recording(sqlite_url) as recorder:
        for _ in range(count):
            run(TraceMiddleware(CHAT, recorder))


@pytest.mark.parametrize("successor", ["a new file", "a backup"])
def test_a_damaged_file_is_kept_and_another_takes_over(
    sqlite_url: str, path: Path, successor: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The chat goes on, what comes is recorded, the console says it in red until the file is removed."""
    recorded(sqlite_url)
    if successor == "a backup":
        assert tracekit("backup", "-d", sqlite_url).status == 0
    spoil(path, 0, 200)
    with (
        recording_into(sqlite_url, admin_token=TOKEN, settings=EVERYTHING) as recorder,
        serving(Admin(recorder)) as url,
    ):
        wait_until(lambda: recorder.settings.loaded, 20)
        assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        found = traces(recorder)
        assert len(found) == (21 if successor == "a backup" else 1)
        assert stored_body(recorder, found[-1].trace_id) == SENT
        (kept,) = damaged(path)
        assert fault_of(kept) is not None
        page = httpx.get(f"{url}/", headers=BEARER | {"Accept": "text/html"}).text
        assert "The database file was damaged" in page
        assert kept.name in page
        assert recorder.health().status == "degraded"
        kept.unlink()
        assert recorder.health().status == "ok"
    assert sum("is damaged" in line for line in caplog.messages if "takes over" in line) == 1


def test_damage_in_any_page_is_survived(sqlite_url: str, path: Path, tmp_path: Path) -> None:
    """Whichever page is hit, the chat is served, nothing but our own errors come of it, and writing goes on: in the
    file, if what is damaged is not met with, else in its successor."""
    recorded(sqlite_url, 30)
    whole = tmp_path / "whole"
    shutil.copyfile(path, whole)
    pages = path.stat().st_size // 4096
    for page in random.Random(7).sample(range(pages), 6):
        for file in path.parent.glob(f"{path.name}*"):
            if file.is_file():
                file.unlink()
        shutil.copyfile(whole, path)
        spoil(path, page * 4096)
        with recording_into(sqlite_url, settings=EVERYTHING) as recorder:
            for _ in range(3):
                assert run(TraceMiddleware(CHAT, recorder)).body == SENT, page
            wait_until(lambda: readable(recorder), 20)
            wait_until(lambda: recorder.flush(1).complete, 20)


def readable(recorder: Recorder) -> bool:
    """Read all there is; whether the newest is one of those that were recorded here."""
    with suppress(StoreError):
        for trace in recorder.store.list_traces(limit=50).items:
            recorder.store.events(trace.trace_id, limit=10)
        run(TraceMiddleware(CHAT, recorder))
        recorder.flush(2)
        newest = recorder.store.list_traces(limit=1).items
        return bool(newest) and stored_body(recorder, newest[0].trace_id) == SENT
    return False


def test_a_file_that_is_whole_is_left_alone(sqlite_url: str, path: Path) -> None:
    """A doubt that turns out to be none moves nothing."""
    recorded(sqlite_url, 3)
    with recording(sqlite_url) as recorder:
        recorder.database.looks_damaged = True
        wait_until(lambda: not recorder.database.looks_damaged, 5)
        time.sleep(1)
        assert len(traces(recorder)) == 3
    assert damaged(path) == []


def test_a_backup_is_made_while_others_write_and_is_whole(sqlite_url: str) -> None:
    """It holds all that was committed before, and the numbers in it are without a gap."""
    with recording(sqlite_url) as recorder:
        stop = threading.Event()

        def chat() -> None:
            while not stop.is_set():
                run(TraceMiddleware(CHAT, recorder))

        thread = threading.Thread(target=chat)
        thread.start()
        try:
            made = []
            for _ in range(3):
                before = len(recorder.store.list_traces(limit=500).items)
                made.append((before, Backups(recorder.database).make(keep=3, target=None)))
                time.sleep(1.1)
        finally:
            stop.set()
            thread.join()
    for before, backup in made:
        assert fault_of(backup) is None
        assert backup.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(backup)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM task_traces").fetchone()
            assert count >= before


def test_only_the_newest_backups_stay(sqlite_url: str, path: Path) -> None:
    """As many as one says."""
    recorded(sqlite_url, 1)
    folder = path.with_name(f"{path.name}.backups")
    folder.mkdir()
    for day in range(1, 6):
        shutil.copyfile(path, folder / f"{path.stem}-2026010{day}T000000Z.db")
    done = tracekit("backup", "-d", sqlite_url, "--keep", "3", "--json")
    assert done.status == 0
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 3
    assert names[:2] == [f"{path.stem}-2026010{day}T000000Z.db" for day in (4, 5)]


def test_a_backup_is_put_back(sqlite_url: str, path: Path) -> None:
    """What was recorded since is kept beside it, and what was deleted since is there again."""
    recorded(sqlite_url, 2)
    assert tracekit("backup", "-d", sqlite_url).status == 0
    recorded(sqlite_url, 3)
    done = tracekit("restore", "-d", sqlite_url)
    assert done.status == 0, done.err
    with recording(sqlite_url) as recorder:
        assert len(traces(recorder)) == 2
    (kept,) = path.parent.glob(f"{path.name}.before-restore-*")
    assert fault_of(kept) is None
    path.unlink()
    assert tracekit("restore", str(kept), "-d", sqlite_url).status == 0
    with recording(sqlite_url) as recorder:
        assert len(traces(recorder)) == 5


def test_nothing_is_put_back_under_a_process_that_records(sqlite_url: str, database: Database) -> None:
    """It would go on with the keys of another database."""
    recorded(sqlite_url, 1)
    backups = Backups(Database(sqlite_url))
    made = backups.make(keep=1)
    with recording(sqlite_url) as recorder:
        recorder.flush(5)
        with pytest.raises(WrongState, match="stop it first"):
            backups.restore(made)


def test_what_is_no_backup_is_refused(sqlite_url: str, path: Path, tmp_path: Path) -> None:
    """And the database is as it was."""
    recorded(sqlite_url, 1)
    before = path.read_bytes()
    made = Backups(Database(sqlite_url)).make(keep=1)
    spoil(made, 4096 * 3, 4096 * 5)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    text = tmp_path / "text"
    text.write_text("a letter, and no database at all, but long enough to look at" * 100)
    for file in (made, other, text, tmp_path / "nothing", tmp_path):
        with pytest.raises(InvalidInput):
            Backups(Database(sqlite_url)).restore(file)
        done = tracekit("restore", str(file), "-d", sqlite_url)
        assert done.status == 2, done
        assert "cannot be restored" in done.err
    assert tracekit("restore", "-d", sqlite_url).status == 2
    assert path.read_bytes() == before


def test_a_damaged_database_makes_no_backup_that_counts(sqlite_url: str, path: Path) -> None:
    """The copy is as damaged, is named so, and pushes no good one out."""
    recorded(sqlite_url, 30)
    good = Backups(Database(sqlite_url)).make(keep=1)
    time.sleep(1.1)
    spoil(path, 4096 * 4, 4096 * 8)
    with pytest.raises(StoreUnavailable):
        Backups(Database(sqlite_url)).make(keep=1)
    assert Backups(Database(sqlite_url)).all() == [good]
    assert Backups(Database(sqlite_url)).newest_good() == good


def test_a_backup_is_made_each_day_by_one_process(sqlite_url: str, path: Path) -> None:
    """At start if there is none, and not again before a day is over."""
    recorded(sqlite_url, 1)
    with (
        recording(sqlite_url, daily_backups=3) as first,
        recording(sqlite_url, daily_backups=3),
    ):
        backups = Backups(first.database)
        wait_until(lambda: bool(backups.all()), 10)
        time.sleep(2)
        (made,) = backups.all()
    assert fault_of(made) is None
    yesterday = time.time() - 90_000
    os.utime(made, (yesterday, yesterday))
    with recording(sqlite_url, daily_backups=3) as recorder:
        wait_until(lambda: len(Backups(recorder.database).all()) == 2, 10)


def test_postgresql_has_its_own_means(postgres_url: str) -> None:
    """They are named."""
    for command in ("backup", "restore"):
        done = tracekit(command, "-d", postgres_url)
        assert done.status == 1
        assert "pg_dump" in done.err


def test_after_a_restored_file_no_event_lands_in_another_trace(
    sqlite_url: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A trace that runs while the file under it is replaced has another key there, or none."""
    caplog.set_level(logging.CRITICAL)
    with recording(sqlite_url) as recorder:
        with recorder.trace("long job") as job:
            job.log("before")
            recorder.flush(5)
            successor = path.with_name("successor.db")
            other = Database(f"sqlite:///{successor}")
            with recording(f"sqlite:///{successor}"):
                strangers = [write_trace(other, frames(3), closed=True) for _ in range(3)]
            other.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            successor.rename(path)
            wait_until(lambda: recorder.health().database.replaced_files == 1, 10)
            for number in range(5):
                job.log("after", number=number)
                recorder.flush(2)
        recorder.flush(5)
        for trace_id in strangers:
            stored = recorder.store.events(trace_id, limit=50).events
            assert [record.event_type for record in stored] == ["stream.frame"] * 3
        assert recorder.writer.counters.orphaned_events > 0
