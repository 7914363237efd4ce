"""The smallest thing to write into a database and to find there again: a row of `system_settings`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from tracekit.store import Database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database that is closed again at the end."""
    database = Database(url)
    yield database
    database.close()


def write_key(connection: Connection, key: str) -> None:
    """A row with this key."""
    connection.exec_driver_sql(f"INSERT INTO system_settings VALUES ('{key}', '1', 0, 'test')")


def keys(connection: Connection) -> list[str]:
    """The keys that a transaction sees, in order."""
    return list(connection.exec_driver_sql("SELECT key FROM system_settings ORDER BY key").scalars())


def stored_keys(database: Database) -> list[str]:
    """The keys that a new reader sees, in order."""
    with database.reading() as connection:
        return keys(connection)
