"""A later version of the schema: every row is kept, faults change nothing, and it is brought up once."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import first_version
import pytest
from later_version import LaterVersion

from tracekit.store import Database
from tracekit.store.schema import VERSION_TABLE, state


def _is_as_before(database: Database, before: dict[str, list[tuple[object, ...]]]) -> bool:
    return first_version.contents(database) == before and "later" not in first_version.tables(database)


def _copy_of(database: Database, revision: str) -> Path:
    path = database.path()
    assert path is not None
    return path.with_name(f"{path.name}.before-{revision}")


def test_a_sqlite_file_is_brought_up_at_the_start(used_file: Database, later: Callable[..., LaterVersion]) -> None:
    """The app starts on an older file: a private copy is kept, the rows are there, none was lost to a rebuilt table."""
    before, newer = first_version.contents(used_file), later()
    used_file.close()
    assert newer.run(used_file) == "current"
    after = first_version.contents(used_file)
    assert [len(after[name]) for name in ("task_traces", "task_trace_events")] == [2, 8]
    assert all(row[-1] == 7 for row in after["task_traces"])
    copy = _copy_of(used_file, newer.revision)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    kept = Database(f"sqlite:///{copy}")
    assert first_version.contents(kept) == before
    kept.close()
    assert not list(copy.parent.glob("*.part*"))


def test_an_older_postgresql_is_brought_up_when_asked(
    postgres_url: str, empty_postgres_url: str, later: Callable[..., LaterVersion]
) -> None:
    """Starting says what to run; running it keeps every row."""
    database, newer = Database(empty_postgres_url), later()
    first_version.make(database)
    before = first_version.contents(database)
    assert "run: tracekit migrate" in newer.run(database)
    assert _is_as_before(database, before)
    assert newer.run(database, "upgrade") == "current"
    assert len(first_version.contents(database)["task_trace_events"]) == 8
    database.close()


def test_a_step_that_fails_leaves_all_as_it_was(used: Database, later: Callable[..., LaterVersion]) -> None:
    """The error names the cause, and the older version goes on with the database."""
    before = first_version.contents(used)
    problem = later("raise RuntimeError('no good')").run(used, "upgrade")
    assert problem.startswith("SchemaError")
    assert "no good" in problem
    assert _is_as_before(used, before)
    assert state(used).current == "0001"


def test_a_step_that_commits_and_fails_is_put_back(used_file: Database, later: Callable[..., LaterVersion]) -> None:
    """What no rollback can undo, the copy undoes, also under a process that has the file open."""
    before = first_version.contents(used_file)
    end = "op.execute('COMMIT'); op.execute('BEGIN IMMEDIATE'); op.execute('DELETE FROM task_traces'); 1 / 0"
    assert "division by zero" in later(end).run(used_file)
    assert _is_as_before(used_file, before)
    path = used_file.path()
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_step_that_orphans_events_is_refused(used_file: Database, later: Callable[..., LaterVersion]) -> None:
    """SQLite's foreign keys sleep during a migration; what they would have refused is found at the end."""
    before = first_version.contents(used_file)
    assert "whose trace is gone" in later("op.execute('DELETE FROM task_traces')").run(used_file)
    assert _is_as_before(used_file, before)


@pytest.mark.parametrize("stop_at", range(4))
def test_a_process_killed_in_a_migration_leaves_the_old_schema(
    used_file: Database, later: Callable[..., LaterVersion], stop_at: int
) -> None:
    """`kill -9` at any statement: the file is as it was, and the next start migrates it."""
    before, newer = first_version.contents(used_file), later()
    with newer.start(used_file, STOP_AT=str(stop_at)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"at {stop_at}\n":
                break
        process.kill()
    assert _is_as_before(used_file, before)
    assert newer.run(used_file) == "current"
    assert len(first_version.contents(used_file)["task_trace_events"]) == 8


def test_processes_that_start_at_once_migrate_once(used_file: Database, later: Callable[..., LaterVersion]) -> None:
    """Six workers start on an older file: one runs the steps, the others wait, and all of them go on."""
    newer = later()
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: newer.run(used_file), range(6))) == ["current"] * 6
    changes = first_version.contents(used_file)["system_settings_audit"]
    assert len([row for row in changes if "step" in row]) == 1


def test_processes_that_start_at_once_make_one_file(sqlite_url: str, later: Callable[..., LaterVersion]) -> None:
    """Six workers start where no file is; all of them go on."""
    newer, database = later(), Database(sqlite_url)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: newer.run(database), range(6))) == ["current"] * 6
    assert first_version.tables(database) == {*first_version.TABLES, "task_trace_ingested", VERSION_TABLE, "later"}
    database.close()


def test_commands_that_run_at_once_migrate_postgresql_once(
    empty_postgres_url: str, later: Callable[..., LaterVersion]
) -> None:
    """Three machines are deployed at once, and each runs `tracekit migrate`."""
    newer, database = later(), Database(empty_postgres_url)
    first_version.make(database)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: newer.run(database, "upgrade"), range(3))) == ["current"] * 3
    changes = first_version.contents(database)["system_settings_audit"]
    assert len([row for row in changes if "step" in row]) == 1
    database.close()


def test_without_room_for_the_copy_nothing_is_changed(
    used_file: Database, later: Callable[..., LaterVersion], tmp_path: Path
) -> None:
    """A disk too full for the copy is something to wait for, not a reason to go without."""
    before, newer = first_version.contents(used_file), later()
    assert newer.run(used_file, FILE_LIMIT="65536").startswith("StoreUnavailable no copy of")
    assert _is_as_before(used_file, before)
    assert not list(tmp_path.glob("*.before-*"))
    assert newer.run(used_file) == "current"
