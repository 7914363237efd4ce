"""Backups of a SQLite file: made while it is in use, looked through before they count, put back when told to."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tracekit.errors import InvalidInput, StoreUnavailable, WrongState
from tracekit.store.engine import Database
from tracekit.store.file_copy import copy_file, put_back
from tracekit.store.owners import DEAD_AFTER_US

__all__ = ["Backups", "fault_of", "move_aside"]

_STAMP = "%Y%m%dT%H%M%SZ"


class Backups:
    """The backups of one database, in a folder beside it; the names of the files tell when they were made, in UTC."""

    def __init__(self, database: Database) -> None:
        """Raises WrongState: the database is no SQLite file."""
        path = database.path()
        if path is None:
            raise WrongState("PostgreSQL has its own means: pg_dump DATABASE > FILE, and psql DATABASE < FILE")
        self._file = path
        self.folder = path.with_name(f"{path.name}.backups")

    def all(self) -> list[Path]:
        """Those that there are, the newest first."""
        return sorted(self.folder.glob(f"{self._file.stem}-*.db"), reverse=True)

    def make(self, keep: int, target: Path | None = None) -> Path:
        """Make one, of the database as it stands at one moment, while others write; in the folder only the newest
        `keep` stay.

        Raises:
            StoreUnavailable: there is no database, no room for a copy, it cannot be written, or the copy is damaged,
                as the database then is.
        """
        if not self._file.exists():
            raise StoreUnavailable(f"there is no database at {self._file}")
        made = target or self.folder / f"{self._file.stem}-{datetime.now(UTC).strftime(_STAMP)}.db"
        if target is None:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        copy_file(self._file, made)
        if (fault := fault_of(made)) is not None:
            made.rename(made.with_name(f"{made.name}.damaged"))
            raise StoreUnavailable(f"the database is damaged, and so is its copy, {made}.damaged: {fault}")
        for old in self.all()[keep:] if target is None else ():
            old.unlink(missing_ok=True)
        return made

    def newest_good(self) -> Path | None:
        """The newest backup that is whole."""
        return next((path for path in self.all() if fault_of(path) is None), None)

    def restore(self, backup: Path) -> Path | None:
        """Make the database what a backup is; where what stood there is kept, None if nothing did.

        Whoever has the file open sees the old or the new. A file that is damaged is moved aside instead.

        Raises:
            InvalidInput: the backup is none, or damaged.
            WrongState: a process records into the database.
            StoreUnavailable: the database is in use by a writer, or cannot be written.
        """
        if (fault := fault_of(backup)) is not None:
            raise InvalidInput(f"{backup} cannot be restored: {fault}")
        try:
            if not self._file.exists():
                copy_file(backup, self._file)
                return None
            if fault_of(self._file) is not None:
                return move_aside(self._file, backup)
            self._refuse_in_use()
            kept = stamped(self._file, "before-restore")
            copy_file(self._file, kept)
            put_back(backup, self._file)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{self._file} cannot be written now: {error}") from error
        return kept

    def _refuse_in_use(self) -> None:
        """What a process knows of a database is not true of another that takes its place under its hands."""
        since = time.time_ns() // 1000 - DEAD_AFTER_US
        living = "SELECT pid FROM task_trace_processes WHERE ended_at IS NULL AND heartbeat_at > ?"
        with closing(sqlite3.connect(self._file)) as connection:
            row = connection.execute(living, (since,)).fetchone()
        if row is not None:
            raise WrongState(f"process {row[0]} records into {self._file}: stop it first")


def stamped(file: Path, word: str) -> Path:
    """The name beside a file under which something of it is kept now."""
    return file.with_name(f"{file.name}.{word}-{datetime.now(UTC).strftime(_STAMP)}")


def move_aside(file: Path, successor: Path | None) -> Path:
    """Keep a damaged file, with its log, under another name, and put a copy of the successor in its place, if there
    is one; the new name.

    Raises:
        OSError, StoreError: it cannot be moved, or there is no room for the copy.
    """
    aside = stamped(file, "damaged")
    next_file = file.with_name(f"{file.name}.next")
    if successor is not None:
        copy_file(successor, next_file)
    for suffix in ("-wal", "-shm"):
        beside = Path(f"{file}{suffix}")
        if beside.exists():
            beside.rename(f"{aside}{suffix}")
    file.rename(aside)
    if successor is not None:
        next_file.rename(file)
    return aside


def fault_of(file: Path) -> str | None:
    """What is wrong with a file as a database of tracekit; None: nothing that SQLite finds."""
    if not file.is_file():
        return "there is no such file"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'task_traces'").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    if found != "ok":
        return str(found)
    return None if tables else "it has no tables of tracekit"
