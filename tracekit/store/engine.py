"""The one way to the database: short transactions, and one error for "not now"."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, Protocol
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tracekit.errors import ConfigurationError, StoreDamaged, StoreUnavailable
from tracekit.store.changes import Changes
from tracekit.store.forks import Gate, watch
from tracekit.store.postgres import PostgreSQL
from tracekit.store.reserve import Reserve
from tracekit.store.sqlite import SQLite

__all__ = ["Database", "Dialect"]

Dialect = Literal["sqlite", "postgresql"]

_FORMS = "sqlite:///file.db, or postgresql://user:password@host/name"

# Engines of the parent process. Were they collected, the child would close connections that the parent still uses.
_of_the_parent: list[Engine] = []


class Backend(Protocol):
    """What differs between databases. Engines have a bounded pool and connections in the driver's autocommit mode."""

    url: URL
    begin_writing: str
    begin_reading: str
    begin_migrating: str
    begin_holding: str
    announcement: str | None
    """The statement by which a transaction tells that it was committed; None where the database shows it."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def path(self) -> Path | None: ...

    def writer(self) -> Engine: ...

    def readers(self) -> Engine: ...

    def single(self) -> Engine: ...

    def cannot_now(self, error: Exception) -> str | None: ...

    def kind_of(self, error: Exception) -> type[StoreUnavailable]: ...

    def empty_log(self, connection: Connection) -> None: ...

    def size_bytes(self, reading: Callable[[], AbstractContextManager[Connection]]) -> int: ...

    def lock_table(self, connection: Connection, table: str) -> None: ...

    def changes(self, gate: Gate) -> Changes: ...

    def give_back(self, connection: Connection, pages: int) -> int: ...


class Database:
    """One database, SQLite or PostgreSQL, as this process uses it.

    It opens nothing until it is used, and opens anew whatever failed. It may be used from any thread, but its
    transactions do not nest: there is one connection to write through.

    Raises:
        ConfigurationError: the URL is malformed or of an unsupported kind, or psycopg is missing. No message and no
            `repr` shows a password.
    """

    def __init__(self, url: str) -> None:
        self._backend = _backend(url)
        self.url: URL = self._backend.url
        self.dialect: Dialect = self._backend.dialect
        self.reserve = Reserve(self._backend.path)
        self.looks_damaged = False
        """Something read or written has met with damage. Whoever sees to it takes this back."""
        self._begin()
        watch(self)

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one state of the database throughout and can change nothing. Keep it short.

        Raises:
            StoreUnavailable: the database cannot be reached or read now.
        """
        with self._transaction(self._readers) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any error.

        Raises:
            StoreUnavailable: the database cannot be reached or written now. If it was the commit that failed, what
                was written may be there or not, so what is tried again must do no harm twice.
            StoreFull: its disk is full.
        """
        with self._transaction(self._writer) as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A transaction for changes of the schema, on a connection of its own: without time limits, under a lock that
        lets one process after the other have it.

        Raises:
            StoreUnavailable: the database cannot be reached or written now, or another has migrated for a minute.
        """
        with self._transaction(self._begun(self._backend.single(), self._backend.begin_migrating)) as connection:
            yield connection

    @contextmanager
    def holding(self) -> Iterator[Connection]:
        """A transaction that may stay open for long, on a connection of its own: for advisory locks of PostgreSQL.

        Between its statements it holds no snapshot, so it keeps no deleted rows from being cleaned up.

        Raises:
            StoreUnavailable: the database cannot be reached now.
        """
        with self._transaction(self._begun(self._backend.single(), self._backend.begin_holding)) as connection:
            yield connection

    def lock_table(self, connection: Connection, table: str) -> None:
        """Until its transaction ends, nobody but `connection` writes to `table`; others may read it."""
        self._backend.lock_table(connection, table)

    def announce(self, connection: Connection) -> None:
        """When the transaction of `connection` is committed, those wake who wait for `changes`, in any process."""
        if self._backend.announcement is not None:
            connection.exec_driver_sql(self._backend.announcement)

    def changes(self) -> Changes:
        """Tells one thread when something was written here. To be closed by who asked for it."""
        changes = self._backend.changes(self._gate)
        self._changes.add(changes)
        return changes

    def size_bytes(self) -> int:
        """Bytes on disk: the file and its write-ahead log, or on PostgreSQL our tables with their indexes.

        Raises:
            StoreUnavailable: the database cannot be asked now.
        """
        return self._backend.size_bytes(self.reading)

    def give_back(self, pages: int) -> int:
        """Give at most so many free pages (4 KiB each) of a SQLite file back to the disk; how many they were.

        0 means that there is no more to give, or that it is PostgreSQL, which does so by itself.

        Raises:
            StoreUnavailable: the database cannot be written now.
        """
        with self.writing() as connection:
            return self._backend.give_back(connection, pages)

    @property
    def name(self) -> str:
        """What tells this database from others: its file, or its address without a password."""
        return str(self.path() or self.url.render_as_string(hide_password=True))

    def path(self) -> Path | None:
        """The SQLite file, absolute; None on PostgreSQL."""
        return self._backend.path

    def make_room(self) -> bool:
        """On a full disk: let go of the reserve, and bring SQLite's log into the file, so that the log can begin
        anew. Whether there was a reserve. Raises StoreUnavailable."""
        if not self.reserve.release():
            return False
        with self._gate:
            connection = self._opened(self._writer)
            try:
                self._backend.empty_log(connection)
            finally:
                connection.close()
        return True

    def close(self) -> None:
        """Close what is open and idle. Using the database again opens it again."""
        self._writer.dispose()
        self._readers.dispose()

    def before_fork(self) -> None:
        """Called by itself. SQLite must not be open in a process that forks; psycopg looks after itself."""
        if self.dialect == "sqlite":
            self._gate.shut(self._close_all)

    def after_fork_in_parent(self) -> None:
        """Called by itself: transactions go on."""
        self._gate.open()

    def after_fork(self) -> None:
        """Called by itself in the child: leave the parent's connections alone and start with none."""
        if self._pid != os.getpid():
            _of_the_parent.extend((self._writer, self._readers))
            self._begin()

    def _begin(self) -> None:
        """What belongs to one process."""
        self._pid = os.getpid()
        self._gate = Gate()
        self._changes: WeakSet[Changes] = WeakSet()
        self._writer = self._begun(self._backend.writer(), self._backend.begin_writing)
        self._readers = self._begun(self._backend.readers(), self._backend.begin_reading)

    def _close_all(self) -> None:
        for changes in list(self._changes):
            changes.close()
        self.close()

    @staticmethod
    def _begun(engine: Engine, statement: str) -> Engine:
        """An engine whose transactions begin with `statement`, which may be several statements in one message."""

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

        return engine

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with self._gate, self._connected(engine) as connection:
            yield connection

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        connection = self._opened(engine)
        try:
            with connection.begin():
                yield connection
        except Exception as error:
            reason = self._backend.cannot_now(error)
            if reason is None:
                raise
            connection.invalidate()
            raise self._unavailable(error, f"the database cannot be used now: {reason}") from error
        finally:
            connection.close()

    def _opened(self, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except PoolTimeout as error:
            raise StoreUnavailable("the database cannot be used now: all connections are in use") from error
        except (SQLAlchemyError, OSError) as error:
            reason = self._backend.cannot_now(error) or str(error)
            raise self._unavailable(error, f"the database cannot be opened: {reason}") from error

    def _unavailable(self, error: Exception, message: str) -> StoreUnavailable:
        kind = self._backend.kind_of(error)
        self.looks_damaged = self.looks_damaged or kind is StoreDamaged
        return kind(message)


def _backend(text: str) -> Backend:
    url = _parsed(text)
    match url.get_backend_name():
        case "sqlite":
            return SQLite(url)
        case "postgresql" | "postgres":
            return PostgreSQL(url)
    raise ConfigurationError(f"{url.drivername} is not supported as a database; use {_FORMS}")


def _parsed(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause: it may quote the URL, and with it the password.
        raise ConfigurationError(f"the database URL cannot be read; it looks like {_FORMS}") from None
