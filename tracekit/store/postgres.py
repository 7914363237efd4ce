"""What is special about PostgreSQL: a server that may be away, shared with others, behind a connection pooler."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from tracekit.errors import ConfigurationError, StoreFull, StoreUnavailable
from tracekit.models import Table
from tracekit.store.changes import CHANNEL, Notifications
from tracekit.store.forks import Gate

__all__ = ["PostgreSQL"]

READERS = 4
"""Connections that read at the same time. With the one that writes, a process has at most five."""

_WAIT = 10.0

_DISK_FULL = "53100"
"""Seconds to wait for a connection of our own."""

_MIGRATION_LOCK = 0x7472_6163_656B
"""Any number that is ours alone; the key of the advisory lock under which the schema is changed."""

# libpq's client-side parameters. None goes to the server at the start: PgBouncer refuses those it does not know, so
# the limits that belong to a transaction are set in it (`SET LOCAL`).
_CONNECTION = {
    "connect_timeout": 5,
    "application_name": "tracekit",
    # A server that vanished without a word is noticed within half a minute, also in the middle of a write.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_DRIVER: dict[str, Any] = {
    # We say BEGIN ourselves: with its settings it is one message instead of three.
    "autocommit": True,
    # A pooler in transaction mode gives each transaction another server connection, which has not prepared it.
    "prepare_threshold": None,
}

# Classes of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html) that speak of the moment, not
# of the data. Not 54: "index row size exceeds maximum" is one row's fault.
_NOT_NOW_CLASSES = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58"})
_NOT_NOW = frozenset(
    {
        "25006",  # read-only transaction: a standby, or a server that was set so
        "42501",  # insufficient privilege
        "42P01",  # no such table: the schema is not there, rows can wait for it
        "42703",  # no such column
        "XX001",  # data corrupted
        "XX002",  # index corrupted
    }
)

_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c WHERE c.oid IN ("
    " SELECT to_regclass(name)::oid FROM unnest(CAST(:tables AS text[])) AS name"
    " UNION SELECT inhrelid FROM pg_inherits, unnest(CAST(:tables AS text[])) AS name"
    " WHERE inhparent = to_regclass(name)::oid)"
)


class PostgreSQL:
    """PostgreSQL through psycopg 3."""

    dialect: Literal["postgresql"] = "postgresql"
    path: None = None
    begin_writing = (
        "BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '10s';"
        # A process that is stopped in the middle must not hold its locks for ever.
        " SET LOCAL idle_in_transaction_session_timeout = '60s'"
    )
    # One snapshot for all statements, as SQLite gives it.
    begin_reading = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '30s';"
        " SET LOCAL idle_in_transaction_session_timeout = '60s'"
    )
    # An index on a large table takes its time. But while it waits for a lock all others wait behind it.
    begin_migrating = (
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s';"
        f" SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"
    )
    begin_holding = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0"
    announcement: str | None = f"NOTIFY {CHANNEL}"

    def __init__(self, url: URL) -> None:
        if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ConfigurationError(f"{url.drivername}: tracekit speaks to PostgreSQL through psycopg 3")
        if "@" in f"{url.host}{url.database}":
            # Part of the password would be taken for the host, and be shown as such.
            raise ConfigurationError("the database URL has more than one @; write those in user or password as %40")
        self.url, secrets = _without_secrets(url.set(drivername="postgresql+psycopg"))
        given = {name: value for name, value in _CONNECTION.items() if name not in url.query}
        self._arguments = {**given, **_DRIVER, **secrets}

    def writer(self) -> Engine:
        """One connection, as on SQLite: one thread writes."""
        return self._engine(poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=_WAIT)

    def readers(self) -> Engine:
        """Few connections: a server has some hundred for all its clients."""
        return self._engine(poolclass=QueuePool, pool_size=READERS, max_overflow=0, pool_timeout=_WAIT)

    def single(self) -> Engine:
        """A connection for one transaction."""
        return self._engine(poolclass=NullPool)

    def _engine(self, **pool: Any) -> Engine:
        try:
            return create_engine(
                self.url,
                connect_args=self._arguments,
                # The server may have gone since the connection was used last; a ping finds out at no risk.
                pool_pre_ping=True,
                use_native_hstore=False,
                hide_parameters=True,
                **pool,
            )
        except ImportError as error:
            raise ConfigurationError(
                f"PostgreSQL needs psycopg, which cannot be imported ({error}); pip install 'tracekit[postgres]'"
            ) from error

    def cannot_now(self, error: Exception) -> str | None:
        """Why the database cannot be used now, or None if the error is another."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            is_it = state in _NOT_NOW or state[:2] in _NOT_NOW_CLASSES
        else:
            # Without a state it comes from the driver: the connection is lost, or could not be made.
            is_it = isinstance(error, OperationalError | InterfaceError) or _is_lost_connection(cause)
        return str(cause).strip().replace("\n", "; ") if is_it else None

    def kind_of(self, error: Exception) -> type[StoreUnavailable]:
        """Whether the server's disk has no room left, or something else is in the way. Damage it mends itself, or
        calls for its administrator."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return StoreFull if getattr(cause, "sqlstate", None) == _DISK_FULL else StoreUnavailable

    def empty_log(self, connection: Connection) -> None:
        """A server sees to its log itself."""

    def size_bytes(self, reading: Callable[[], AbstractContextManager[Connection]]) -> int:
        """Bytes of our tables, with indexes, large values and partitions."""
        with reading() as connection:
            size = connection.execute(_SIZE, {"tables": sorted(Table.metadata.tables)}).scalar_one()
        return int(size)

    def lock_table(self, connection: Connection, table: str) -> None:
        """EXCLUSIVE keeps other writers out and lets readers in."""
        connection.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")

    def changes(self, gate: Gate) -> Notifications:
        """Writers announce what they write."""
        return Notifications(self.single())

    def give_back(self, connection: Connection, pages: int) -> int:
        """Autovacuum does."""
        return 0


def _is_lost_connection(error: BaseException | None) -> bool:
    """Whether it is psycopg's own error of that kind, raised where SQLAlchemy did not stand between (COPY)."""
    kind = type(error)
    return kind.__module__.startswith("psycopg") and kind.__name__ in ("OperationalError", "InterfaceError")


def _without_secrets(url: URL) -> tuple[URL, dict[str, Any]]:
    """The URL with its password in the one place that is hidden when it is shown, and other secrets apart from it."""
    secrets = {name: url.query[name] for name in ("password", "sslpassword") if name in url.query}
    return url.difference_update_query(secrets), secrets
