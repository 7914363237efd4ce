"""How the database stands for who writes to it: since when it is away, and when to try it again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tracekit.errors import StoreError
from tracekit.log_pace import LogPace
from tracekit.write_counters import WriterCounters

__all__ = ["MOST_PAUSE_S", "Outage"]

logger = logging.getLogger("tracekit.writer")

MOST_PAUSE_S = 5.0
"""Longest time between two tries, seconds."""


class Outage:
    """Used on the writer thread, but for `retry_now`."""

    def __init__(self, is_ready: Callable[[], bool], counters: WriterCounters) -> None:
        """`is_ready`: the tables are there. `counters` tell of what failed."""
        self._is_ready = is_ready
        self._counters = counters
        self._retry_at = 0.0
        self._since: float | None = None
        self._pace = LogPace()

    @property
    def is_on(self) -> bool:
        """The database is not to be tried now."""
        return not self._is_ready() or time.monotonic() < self._retry_at

    @property
    def lasted_s(self) -> float:
        """How long it has been away, as far as `look` has seen it; 0 if it is not."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    @property
    def next_try_s(self) -> float:
        """How long it is until the next try."""
        return min(self._retry_at - time.monotonic(), MOST_PAUSE_S)

    def look(self) -> None:
        """Note how it stands: once a round."""
        if self.is_on:
            self._since = self._since or time.monotonic()
        elif not self._counters.consecutive_failures:
            self._since = None

    def retry_now(self) -> None:
        """Somebody waits: do not wait for the next try."""
        self._retry_at = 0.0

    def failed(self, error: StoreError) -> None:
        """It could not be written. Tries come at growing intervals; the log has a line a minute."""
        counters, now = self._counters, time.monotonic()
        counters.failed_batches += 1
        counters.consecutive_failures += 1
        counters.last_problem = str(error)
        self._since = self._since or now
        self._retry_at = now + min(0.1 * 2 ** min(counters.consecutive_failures, 10), MOST_PAUSE_S)
        if self._pace.is_due():
            logger.error("recordings wait in memory, the database cannot be written: %s", error)

    def worked(self) -> None:
        """It was written."""
        counters = self._counters
        if counters.consecutive_failures:
            logger.warning("the database takes writes again after %d failures", counters.consecutive_failures)
        counters.consecutive_failures, self._retry_at, self._since = 0, 0.0, None
        self._pace.forget()
