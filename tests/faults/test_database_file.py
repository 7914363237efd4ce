"""The database file deleted or replaced while it is open: noticed, told, and recording goes on."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
from admin_server import recording_into, wait_until
from asgi import END, body, run, start, streams
from chat_events import DONE, event
from recorders import EVERYTHING
from sqlalchemy import make_url

from tracekit import Recorder, TraceMiddleware
from tracekit.store import Database, TraceStore

ANSWER = streams(start(), body(event(1)), body(DONE), END)


def record(recorder: Recorder, count: int = 1) -> None:
    for _ in range(count):
        run(TraceMiddleware(ANSWER, recorder))
    assert recorder.flush(20).complete


def stored(url: str) -> int:
    """How many traces stand in the file that is there now."""
    database = Database(url)
    try:
        return len(TraceStore(database).list_traces().items)
    finally:
        database.close()


def is_elsewhere(recorder: Recorder) -> bool:
    """Whether the recorder has noticed, and uses the file that is there now."""
    database = recorder.health().database
    return bool(database.replaced_files) and database.ready


def gone(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def test_a_deleted_file_is_noticed_and_a_new_one_takes_over(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Within 5 seconds; what is recorded after that is in the new file, and the log says in one line what happened."""
    path = Path(str(make_url(sqlite_url).database))
    with recording_into(sqlite_url, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        record(recorder, 3)
        assert stored(sqlite_url) == 3
        with caplog.at_level(logging.ERROR, "tracekit"):
            gone(path)
            wait_until(lambda: is_elsewhere(recorder), 5)
        record(recorder, 2)
        assert stored(sqlite_url) == 2
        told = [line for line in caplog.messages if "deleted or replaced" in line]
        assert len(told) == 1
        assert recorder.health().database.problem is None


def test_a_file_that_was_put_in_its_place_is_used(sqlite_url: str) -> None:
    """A backup that was copied over the database under a running process goes on where it was."""
    path = Path(str(make_url(sqlite_url).database))
    with recording_into(sqlite_url, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        record(recorder, 3)
    backup = path.with_suffix(".backup")
    shutil.copyfile(path, backup)
    with recording_into(sqlite_url, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        record(recorder, 4)
        assert stored(sqlite_url) == 7
        gone(path)
        os.replace(backup, path)
        wait_until(lambda: is_elsewhere(recorder), 5)
        record(recorder, 2)
        assert stored(sqlite_url) == 5


def test_a_chat_that_runs_meanwhile_notices_nothing(sqlite_url: str) -> None:
    """The answer is whole; of its trace what came after the loss is stored, or counted as lost with its trace."""
    path = Path(str(make_url(sqlite_url).database))
    with recording_into(sqlite_url, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        with recorder.trace("long job") as trace:
            trace.log("before")
            assert recorder.flush(20).complete
            gone(path)
            wait_until(lambda: is_elsewhere(recorder), 5)
            trace.log("after")
        assert recorder.flush(20).complete
        health = recorder.health()
        assert health.drops.orphaned_events >= 2
        assert (health.status, health.database.replaced_files) == ("degraded", 1)
