"""Whether something was written, by whichever process: what those wait for who follow what happens."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tracekit.ids import new_id
from tracekit.store.forks import Gate

__all__ = ["CHANNEL", "Changes", "FileChanges", "Notifications"]

logger = logging.getLogger("tracekit.store")

CHANNEL = "tracekit"
"""The PostgreSQL channel on which each batch that is written is announced."""

_POLL_S = 0.05
"""How often the file is asked. The question costs a few microseconds and reads no page."""

_BLIND_S = 0.1
"""How often "perhaps" is answered where nothing tells of changes."""

# How long a notification of our own may take to come back before the channel counts as deaf.
_PROOF_S = 5.0

# Until the next try: after a connection was lost, and after a channel was found deaf.
_LOST_S, _DEAF_S = 1.0, 60.0


class Changes(Protocol):
    """Tells one thread of what was written. Nothing is open and nothing is asked but in `wait`."""

    def wait(self, timeout: float) -> bool:
        """Wait until something was written, at most `timeout` seconds. True: it was, or it may have been, as at the
        first call. Never raises: while the database is away it says "perhaps" now and then."""

    def close(self) -> None:
        """Close what is open; the next `wait` opens it again."""


class FileChanges:
    """SQLite: a connection that is kept open sees by `PRAGMA data_version` that another one has committed."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], gate: Gate) -> None:
        """`gate` keeps the file closed while the process forks."""
        self._connect = connect
        self._gate = gate
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def wait(self, timeout: float) -> bool:
        """As `Changes.wait`."""
        deadline = time.monotonic() + timeout
        while not self._has_changed():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(_POLL_S, remaining))
        return True

    def _has_changed(self) -> bool:
        try:
            with self._gate:
                if self._connection is None:
                    self._connection = self._connect()
                (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, OSError):
            self.close()
            time.sleep(_BLIND_S)
            return True
        seen, self._seen = self._seen, int(version)
        return self._seen != seen

    def close(self) -> None:
        """As `Changes.close`."""
        connection, self._connection, self._seen = self._connection, None, None
        if connection is not None:
            connection.close()


class Notifications:
    """PostgreSQL: LISTEN on a connection of its own.

    Behind a pooler that lends connections by transaction, LISTEN succeeds and nothing ever comes. So a notification
    of our own is sent by another connection; until one has arrived, and wherever none arrives, the answer to `wait`
    is "perhaps", ten times a second.
    """

    def __init__(self, engine: Engine) -> None:
        """`engine` gives a new connection each time, in the driver's autocommit mode."""
        self._engine = engine
        # The driver's own are raised where SQLAlchemy does not stand between.
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, engine.dialect.loaded_dbapi.Error)
        self._connection: Connection | None = None
        self._proven = False
        self._proof_until = 0.0
        self._retry_at = 0.0

    def wait(self, timeout: float) -> bool:
        """As `Changes.wait`."""
        if self._connection is None and time.monotonic() < self._retry_at:
            time.sleep(min(timeout, _BLIND_S))
            return True
        if self._connection is None:
            self._listen()
            return True
        return self._heard(self._connection, timeout if self._proven else min(timeout, _BLIND_S))

    def _listen(self) -> None:
        try:
            self._connection = self._engine.connect()
            _driver(self._connection).execute(f"LISTEN {CHANNEL}")
            with self._engine.connect() as other:
                _driver(other).execute("SELECT pg_notify(%s, %s)", (CHANNEL, new_id()))
        except self._errors:
            self._give_up(_LOST_S)
        else:
            self._proven, self._proof_until = False, time.monotonic() + _PROOF_S

    def _heard(self, connection: Connection, timeout: float) -> bool:
        try:
            heard = [True for _ in _driver(connection).notifies(timeout=timeout, stop_after=1)]
        except self._errors:
            self._give_up(_LOST_S)
            return True
        if heard:
            self._proven = True
        elif not self._proven and time.monotonic() > self._proof_until:
            logger.info("notifications do not come through, as behind a connection pooler; the database is polled")
            self._give_up(_DEAF_S)
        return bool(heard) or not self._proven

    def _give_up(self, seconds: float) -> None:
        self.close()
        self._retry_at = time.monotonic() + seconds

    def close(self) -> None:
        """As `Changes.close`."""
        connection, self._connection, self._proven = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()


def _driver(connection: Connection) -> Any:
    """psycopg's own connection."""
    return connection.connection.driver_connection
