"""Whether the disk of a SQLite database has room: recording pauses before it takes what the app needs."""

from __future__ import annotations

import logging
from dataclasses import replace

from tracekit.health import DiskHealth
from tracekit.health_report import disk_health
from tracekit.human_units import size_text
from tracekit.store.engine import Database

__all__ = ["DiskWatch"]

logger = logging.getLogger("tracekit.disk")


class DiskWatch:
    """Looks when it is told to. A server's disk is its own affair: with PostgreSQL nothing is ever short."""

    def __init__(self, database: Database, least_free_bytes: int) -> None:
        self.short = False
        """New traces are not to be recorded now."""
        self.skipped = 0
        """Traces that were not recorded for it, since the start."""
        self._database = database
        self._least = least_free_bytes

    def health(self) -> DiskHealth | None:
        """The disk as it is now, and whether recording pauses for it; None where there is none to watch."""
        disk = disk_health(self._database.path(), self._least)
        return disk and replace(disk, short=self.short, skipped_traces=self.skipped)

    def look(self) -> None:
        """See how much is free. What is short is so until a quarter more is free than it takes to be short."""
        disk = disk_health(self._database.path(), self._least)
        if disk is None:
            self.short = False
        elif disk.short:
            self._pause(disk)
        elif self.short and disk.free_bytes >= self._least + self._least // 4:
            self.short = False
            self._database.reserve.release()
            logger.warning("recording goes on: %s free at %s", size_text(disk.free_bytes), disk.path)

    def _pause(self, disk: DiskHealth) -> None:
        if self.short:
            return
        self.short = True
        self._database.reserve.make(disk.free_bytes)
        least = size_text(self._least)
        logger.error("recording pauses: %s free at %s, less than %s", size_text(disk.free_bytes), disk.path, least)
