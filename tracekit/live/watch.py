"""The one thread of a process that looks at the database for all who follow something, while anybody does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tracekit.errors import StoreError
from tracekit.log_pace import LogPace
from tracekit.store.changes import Changes
from tracekit.store.engine import Database

__all__ = ["Watch"]

logger = logging.getLogger("tracekit.live")

_WAIT_S = 0.5
"""Longest wait without a look at whether anybody still follows."""

_CERTAIN_S = 2.0
"""A look is taken this often though nothing tells of a change: not all that writes announces it."""

_APART_S = 0.05
"""Looks are at least so far apart, however many processes write."""

_LINGER_S = 3.0
"""The thread stays so long after the last follower has left: who reloads a page comes back at once."""


class Watch:
    """Calls `look` on a thread of its own when something was written. `is_wanted` says whether anybody follows."""

    def __init__(self, database: Database, is_wanted: Callable[[], bool], look: Callable[[Connection], None]) -> None:
        self._database = database
        self._is_wanted = is_wanted
        self._look = look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._looked_at = 0.0
        self._pace = LogPace()

    def start(self) -> None:
        """Somebody follows: start the thread, if it does not run."""
        with self._lock:
            self._wanted_at = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tracekit-live", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        with closing(self._database.changes()) as changes:
            while self._goes_on():
                self._go_round(changes)

    def _goes_on(self) -> bool:
        now = time.monotonic()
        with self._lock:
            if self._is_wanted():
                self._wanted_at = now
            elif now - self._wanted_at > _LINGER_S:
                self._thread = None
                return False
            return True

    def _go_round(self, changes: Changes) -> None:
        changed = changes.wait(_WAIT_S)
        now = time.monotonic()
        if not self._is_wanted() or not (changed or now - self._looked_at > _CERTAIN_S):
            return
        time.sleep(max(0.0, self._looked_at + _APART_S - now))
        self._looked_at = time.monotonic()
        try:
            with self._database.reading() as connection:
                self._look(connection)
        except (StoreError, SQLAlchemyError) as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """The database is away: followers wait, and are told as soon as it is back."""
        if self._pace.is_due():
            logger.warning("what is being recorded cannot be followed now: %s", error)
        time.sleep(_WAIT_S)
