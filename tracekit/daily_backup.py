"""A backup a day of a SQLite file, in one process at a time."""

from __future__ import annotations

import logging
import time

from tracekit.errors import StoreError
from tracekit.store.backups import Backups
from tracekit.store.engine import Database
from tracekit.store.leases import try_lease

__all__ = ["DailyBackup"]

logger = logging.getLogger("tracekit.backup")

_DAY_S = 86_400.0

# Seconds until the next try where one failed, or another process was at it.
_RETRY_S = 600.0


class DailyBackup:
    """Makes one when the newest is a day old. `keep` 0, or a database that is no SQLite file: none."""

    def __init__(self, database: Database, keep: int) -> None:
        self._database = database
        self._keep = keep if database.path() is not None else 0
        self._tried_at = -_RETRY_S

    def due(self) -> bool:
        """Whether it is time for one."""
        if not self._keep or time.monotonic() - self._tried_at < _RETRY_S:
            return False
        return self._is_old()

    def run(self) -> None:
        """Make it. Where that fails, the log says why."""
        self._tried_at = time.monotonic()
        try:
            with try_lease(self._database, "backup") as is_ours:
                if is_ours and self._is_old():
                    logger.info("backed up to %s", Backups(self._database).make(self._keep))
        except (StoreError, OSError) as error:
            logger.error("the daily backup failed: %s", error)

    def _is_old(self) -> bool:
        """Whether the newest is; another process may have made one a moment ago."""
        newest = next(iter(Backups(self._database).all()), None)
        return newest is None or time.time() - newest.stat().st_mtime > _DAY_S
