"""Whoever waits for what others write is told soon, and is never told wrongly that there is nothing."""

from __future__ import annotations

import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from key_rows import write_key
from python_processes import run_script
from sqlalchemy import NullPool, create_engine, make_url

from tracekit.store import Database, changes
from tracekit.store.changes import Changes, Notifications


def settled(waiting: Changes) -> Changes:
    """One that has said that nothing happens."""
    deadline = time.monotonic() + 10
    while waiting.wait(0.2):
        assert time.monotonic() < deadline, "something is said to happen all the time"
    return waiting


def told_after(waiting: Changes, action: Any) -> float:
    """Seconds from an action to being told of it."""
    action()
    began = time.monotonic()
    assert waiting.wait(10)
    return time.monotonic() - began


def announced(database: Database) -> None:
    """What the writer does with each batch."""
    with database.writing() as connection:
        write_key(connection, uuid.uuid4().hex)
        database.announce(connection)


def test_the_first_answer_is_perhaps(database: Database) -> None:
    """Who begins to wait cannot know what it has missed."""
    waiting = database.changes()
    assert waiting.wait(0)
    waiting.close()


def test_a_commit_of_another_is_told_at_once(database: Database, database_url: str) -> None:
    """Long before the wait is over, each time; and silence is silence."""
    waiting, other = settled(database.changes()), Database(database_url)
    for _ in range(5):
        assert told_after(waiting, lambda: announced(other)) < 5
        settled(waiting)
    other.close()
    waiting.close()


def test_what_this_process_writes_itself_is_told_too(database: Database) -> None:
    """The recorder's own admin follows it."""
    waiting = settled(database.changes())
    assert told_after(waiting, lambda: announced(database)) < 5
    waiting.close()


def test_a_transaction_that_is_undone_is_not_told(database: Database) -> None:
    """Nothing has happened."""
    waiting = settled(database.changes())
    with suppress(ZeroDivisionError), database.writing() as connection:
        write_key(connection, uuid.uuid4().hex)
        database.announce(connection)
        raise ZeroDivisionError
    assert not waiting.wait(0.3)
    waiting.close()


def test_a_closed_one_opens_again(database: Database) -> None:
    """Closing lets go of the connection and nothing else."""
    waiting = settled(database.changes())
    waiting.close()
    assert waiting.wait(0.2)
    assert told_after(settled(waiting), lambda: announced(database)) < 5
    waiting.close()


def test_a_channel_that_is_deaf_is_told_from_one_that_is_silent(
    postgres_url: str, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a pooler LISTEN succeeds and nothing comes. The answer is then "perhaps", often enough; no connection is
    kept for nothing. Here the proof goes to another database, whence it cannot come."""
    monkeypatch.setattr(changes, "_PROOF_S", 0.5)
    urls = [make_url(url).set(drivername="postgresql+psycopg") for url in (postgres_url, empty_postgres_url)]
    engines = [create_engine(url, connect_args={"autocommit": True}, poolclass=NullPool) for url in urls]
    turns = iter([*engines, *[engines[0]] * 100])
    engine = create_engine(urls[0], creator=lambda: next(turns).raw_connection().driver_connection, poolclass=NullPool)
    waiting = Notifications(engine)
    began = time.monotonic()
    answers = 0
    while time.monotonic() - began < 1.5:
        assert waiting.wait(10)
        answers += 1
    assert answers >= 5
    assert next(turns) is engines[0], "the deaf channel was not given up"
    waiting.close()


def test_a_database_that_is_away_is_no_error(tmp_path: Path) -> None:
    """Whoever waits reads, and learns there what is wrong."""
    waiting = Database(f"sqlite:///{tmp_path / 'nothing.db'}").changes()
    assert waiting.wait(0.1)
    assert waiting.wait(0.1)
    waiting.close()
    assert not (tmp_path / "nothing.db").exists()


def test_a_server_that_is_away_is_no_error() -> None:
    """Nobody listens at this port."""
    waiting = Database("postgresql://nobody:secret@127.0.0.1:1/nothing").changes()
    assert waiting.wait(0.1)
    assert waiting.wait(0.1)
    waiting.close()


_FORK = """
    import os, sys
    from tracekit.store import Database

    database = Database(sys.argv[1])
    waiting = database.changes()
    while waiting.wait(0.2):
        pass
    child = os.fork()
    if child == 0:
        held = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)]
        os._exit(any(place.startswith(str(database.path())) for place in held))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child found the file open"
    while waiting.wait(0.2):
        pass
    with database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO system_settings VALUES ('key', '1', 0, 'test')")
    assert waiting.wait(10)
    waiting.close()
    database.close()
"""


def test_the_file_is_closed_while_a_process_forks(sqlite_template: Path, sqlite_url: str) -> None:
    """A child must not find it open (SQLite's rule); the parent goes on waiting."""
    shutil.copyfile(sqlite_template, str(make_url(sqlite_url).database))
    done = run_script(_FORK, sqlite_url)
    assert (done.returncode, done.stderr) == (0, "")
