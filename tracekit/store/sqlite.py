"""What is special about SQLite: one file, one writing connection per process, no server."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine
from sqlalchemy.exc import DBAPIError

from tracekit.errors import ConfigurationError, StoreDamaged, StoreFull, StoreUnavailable
from tracekit.store.changes import FileChanges
from tracekit.store.forks import Gate

__all__ = ["SQLite"]

READERS = 4
"""Connections that read at the same time."""

_WAIT = 5.0
"""Seconds to wait for the locks of other processes, and for a connection of our own."""

_MIGRATION_WAIT = 60.0

# Bytes. With less than a page of the shared-memory file free, SQLite tells of an I/O error and not of a full disk.
_NO_ROOM = 64 * 1024
"""Seconds to wait while another process migrates."""

# Of every connection.
_ALWAYS = (
    # SQLite's own default is OFF, and then deleting a trace would leave its events behind.
    "foreign_keys = ON",
    # Functions in views and triggers of a file from elsewhere are not run.
    "trusted_schema = OFF",
)

_WRITING = (
    *_ALWAYS,
    # In WAL mode a power cut may cost the last transactions, a crash of the process none; the file stays sound.
    # FULL would cost an fsync for each flush.
    "synchronous = NORMAL",
    # A burst makes the log grow; without a limit it would keep that size for ever.
    "journal_size_limit = 33554432",
)

_READING = (
    *_ALWAYS,
    # A reader that tries to write is a mistake; it fails instead of competing for the lock.
    "query_only = ON",
)

_MIGRATING = (
    *_WRITING,
    # A table is altered by making it anew, and dropping the old one would delete what refers to it.
    "foreign_keys = OFF",
)

# Primary result codes (https://www.sqlite.org/rescode.html) that speak of the file or the moment, not of the data.
_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class SQLite:
    """SQLite through the standard library's driver."""

    dialect: Literal["sqlite"] = "sqlite"
    # A transaction that reads first and writes then can fail in the middle; one that takes the lock at once waits.
    begin_writing = "BEGIN IMMEDIATE"
    begin_reading = "BEGIN"
    begin_migrating = "BEGIN IMMEDIATE"
    begin_holding = "BEGIN"
    announcement: str | None = None

    def __init__(self, url: URL) -> None:
        self.path: Path | None = _file_of(url)
        self.url = URL.create("sqlite", database=str(self.path))
        self._file = self.path

    def writer(self) -> Engine:
        """One connection: SQLite has one writer at a time, and threads wait better for it than connections do."""
        return create_engine(
            self.url,
            creator=lambda: _connect(self._file, "rwc", _WAIT, _WRITING),
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=_WAIT,
            hide_parameters=True,
        )

    def readers(self) -> Engine:
        """Connections that never create the file."""
        return create_engine(
            self.url,
            creator=lambda: _connect(self._file, "rw", _WAIT, _READING),
            poolclass=QueuePool,
            pool_size=READERS,
            max_overflow=0,
            pool_timeout=_WAIT,
            hide_parameters=True,
        )

    def single(self) -> Engine:
        """A connection for one transaction."""
        return create_engine(
            self.url,
            creator=lambda: _connect(self._file, "rwc", _MIGRATION_WAIT, _MIGRATING),
            poolclass=NullPool,
            hide_parameters=True,
        )

    def cannot_now(self, error: Exception) -> str | None:
        """Why the database cannot be used now, or None if the error is another."""
        cause, code = _cause(error), _result_code(error)
        if not isinstance(cause, sqlite3.Error):
            return None
        # The file was replaced by an empty one, or its schema is another version's: rows can wait for the mending.
        no_schema = code == sqlite3.SQLITE_ERROR and str(cause).startswith(("no such table", "no such column"))
        return str(cause) if code in _NOT_NOW or no_schema else None

    def kind_of(self, error: Exception) -> type[StoreUnavailable]:
        """Whether the file is no whole database, or the disk has no room left, or something else is in the way."""
        code = _result_code(error)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreDamaged
        full = code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free_bytes(self._file) < _NO_ROOM)
        return StoreFull if full else StoreUnavailable

    def empty_log(self, connection: Connection) -> None:
        """Bring the write-ahead log into the file, as far as readers let it be, and cut it off."""
        cursor = connection.connection.cursor()
        # A disk that is too full for this is met with again by what room was wanted for.
        with suppress(sqlite3.Error):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()

    def size_bytes(self, reading: Callable[[], AbstractContextManager[Connection]]) -> int:
        """Bytes of the file and its write-ahead log."""
        return sum(_size(Path(f"{self._file}{suffix}")) for suffix in ("", "-wal"))

    def lock_table(self, connection: Connection, table: str) -> None:
        """A writing transaction is alone already."""

    def changes(self, gate: Gate) -> FileChanges:
        """Commits of others are seen in the file."""
        return FileChanges(lambda: _connect(self._file, "rw", _WAIT, _READING), gate)

    def give_back(self, connection: Connection, pages: int) -> int:
        """Free pages move to the end of the file and are cut off."""
        before = _free_pages(connection)
        for _ in range(min(pages, before)):
            # SQLite frees a page a step, and the driver takes one step of a statement without a result.
            connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        return before - _free_pages(connection)


def _file_of(url: URL) -> Path:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError(f"{url.drivername}: tracekit has its own driver for SQLite; use sqlite:///file.db")
    name = url.database
    if not name or name == ":memory:" or "memory" in url.query.get("mode", ""):
        raise ConfigurationError("an SQLite database in memory cannot be shared by processes; use sqlite:///file.db")
    if name.startswith("file:") or url.query:
        raise ConfigurationError("an SQLite URL takes a path and no options: sqlite:///file.db")
    if "\0" in name:
        raise ConfigurationError("the path of the SQLite file holds a NUL")
    # Absolute, so that a later change of the working directory does not change the database.
    return Path(name).expanduser().absolute()


def _cause(error: Exception) -> BaseException | None:
    """The driver's own error."""
    return error.orig if isinstance(error, DBAPIError) else error


def _result_code(error: Exception) -> int:
    """The primary result code of SQLite, SQLITE_OK for an error that has none."""
    return getattr(_cause(error), "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF


def _free_bytes(file: Path) -> int:
    try:
        return shutil.disk_usage(file.parent).free
    except OSError:
        return _NO_ROOM


def _connect(file: Path, mode: Literal["rw", "rwc"], wait: float, pragmas: Iterable[str]) -> sqlite3.Connection:
    is_new = mode == "rwc" and not file.exists()
    if is_new:
        file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?mode={mode}",
        uri=True,
        timeout=wait,  # PRAGMA busy_timeout: other processes write too, and hold the lock for milliseconds
        isolation_level=None,  # the driver begins nothing by itself: we say BEGIN
        check_same_thread=False,  # the pool lends a connection to one thread after the other
    )
    try:
        if is_new:
            # Chats are private. The log and the shared-memory file get the same mode from SQLite.
            file.chmod(0o600)
            # Only now can it be chosen: what retention frees may be given back to the disk in small steps.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if mode == "rwc":
            _use_write_ahead_log(connection, wait)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection, wait: float) -> None:
    """With WAL, readers do not wait for the writer nor the writer for them.

    SQLite does not wait for the lock that this change of mode needs, so several processes that start at once have to.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _free_pages(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
