"""What holds for SQLite alone: the file, its locks, and a disk that is full."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from key_rows import keys, opened, stored_keys
from python_processes import run_script
from sqlalchemy.exc import DBAPIError

from tracekit.errors import StoreUnavailable
from tracekit.store import Database


def test_a_new_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """The folder is made, and nobody else can read the chats: file, log and shared memory have mode 0600."""
    file = tmp_path / "new" / "folder" / "a b?c#d%20.db"
    with opened(f"sqlite:///{file}".replace("?", "%3F")) as database:
        path = database.path()
        assert path is not None
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
        files = list(path.parent.iterdir())
        assert {file.name.removeprefix(path.name) for file in files} == {"", "-wal", "-shm"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_reading_does_not_create_the_file(sqlite_url: str, tmp_path: Path) -> None:
    """A reader of a database that is not there says so and leaves nothing behind."""
    with (
        opened(sqlite_url) as database,
        pytest.raises(StoreUnavailable, match="unable to open"),
        database.reading(),
    ):
        raise AssertionError("it was opened")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the working directory does not make it another database."""
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///here.db")
    monkeypatch.chdir("/")
    assert database.path() == tmp_path / "here.db"


def test_the_writer_has_its_pragmas(sqlite_url: str) -> None:
    """WAL, synchronous NORMAL, foreign keys, a busy timeout and a limit for the log are in force."""
    with opened(sqlite_url) as database, database.writing() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "journal_size_limit")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert values == ["wal", 1, 1, 5000, 32 * 1024 * 1024]


def test_a_locked_file_is_not_available_and_later_is(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's lock is waited for, then reported; nothing has to be restarted afterwards."""
    monkeypatch.setattr("tracekit.store.sqlite._WAIT", 0.2)
    with opened(sqlite_url) as database:
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
        with closing(sqlite3.connect(tmp_path / "tracekit.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"), database.writing():
                raise AssertionError("it got the lock")
            with database.reading() as connection:
                assert connection.exec_driver_sql("SELECT * FROM t").all() == []
        with database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def test_a_thread_that_writes_for_long_makes_others_give_up(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for our own writing connection is bounded too."""
    monkeypatch.setattr("tracekit.store.sqlite._WAIT", 0.2)
    problems: list[Exception] = []

    def write_too(database: Database) -> None:
        try:
            with database.writing():
                pass
        except StoreUnavailable as error:
            problems.append(error)

    with opened(sqlite_url) as database:
        with database.writing():
            thread = threading.Thread(target=write_too, args=(database,))
            thread.start()
            thread.join(10)
        assert "all connections are in use" in str(problems[0])
        with database.writing():
            pass


def test_a_full_disk_is_not_available_and_later_is(sqlite_url: str) -> None:
    """SQLite's own limit of pages gives the error of a full disk; the connection that had it is not used again."""

    def write_past_the_end(database: Database) -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 2")
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")

    with opened(sqlite_url) as database:
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
        with pytest.raises(StoreUnavailable, match="full") as caught:
            write_past_the_end(database)
        assert isinstance(caught.value.__cause__, DBAPIError)
        with database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")


def test_a_file_that_is_no_database_is_not_available(sqlite_url: str, tmp_path: Path) -> None:
    """It is not overwritten, and the error says what it is."""
    (tmp_path / "tracekit.db").write_bytes(b"something else entirely " * 100)
    with opened(sqlite_url) as database:
        with pytest.raises(StoreUnavailable, match="not a database"), database.writing():
            raise AssertionError("it was opened")
        with pytest.raises(StoreUnavailable, match="not a database"), database.reading() as connection:
            keys(connection)
    assert (tmp_path / "tracekit.db").read_bytes() == b"something else entirely " * 100


def test_a_folder_that_cannot_be_made_is_not_available(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with (
        opened(f"sqlite:///{tmp_path}/file/tracekit.db") as database,
        pytest.raises(StoreUnavailable, match="cannot be opened"),
        database.writing(),
    ):
        raise AssertionError("it was opened")


_FORK = """
    import os, sqlite3, sys, threading, time
    from tracekit.store import Database

    database = Database(sys.argv[1])

    def write(key, pause=0):
        with database.writing() as connection:
            connection.exec_driver_sql(f"INSERT INTO system_settings VALUES ('{key}', '1', 0, 'test')")
            time.sleep(pause)

    write("parent")
    {meanwhile}
    wait, go = os.pipe()
    child = os.fork()
    if child == 0:
        write("child")
        os.read(wait, 1)
        write("child later")
        os._exit(0)
    write("parent later")
    database.close()
    other = sqlite3.connect(sys.argv[2])
    other.execute("DELETE FROM system_settings WHERE key = 'nothing'")
    other.commit()
    other.close()
    os.write(go, b"!")
    assert os.waitpid(child, 0)[1] == 0
    """


@pytest.mark.parametrize("meanwhile", ["", "threading.Thread(target=write, args=('thread', 0.3)).start()"])
def test_a_forked_child_keeps_what_it_writes(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path, meanwhile: str
) -> None:
    """Also when the parent closes the file first and another program is the last but the child to use it.

    A child that inherited an open file would hold no lock that others see; they would delete the log under it.
    """
    file = tmp_path / "tracekit.db"
    file.write_bytes(sqlite_template.read_bytes())
    done = run_script(_FORK.replace("{meanwhile}", meanwhile), sqlite_url, str(file))
    assert done.returncode == 0, done.stderr
    with opened(sqlite_url) as database:
        written = set(stored_keys(database))
    assert written == {"parent", "child", "child later", "parent later"} | ({"thread"} if meanwhile else set())


def test_a_fork_does_not_wait_for_ever(sqlite_url: str) -> None:
    """A thread that forks in the middle of its own transaction gets its child after a second."""
    with opened(sqlite_url) as database, database.writing() as connection:
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        connection.exec_driver_sql("CREATE TABLE t (a)")


def test_what_is_deleted_can_be_given_back_to_the_disk(sqlite_url: str) -> None:
    """In steps as small as wanted, so that nobody waits long for the lock."""
    with opened(sqlite_url) as database:
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM t")
        given = list(iter(lambda: database.give_back(100), 0))
        assert given[:-1] == [100] * (len(given) - 1)
        assert 240 < sum(given) < 260
        database.close()
        assert database.size_bytes() < 50_000
