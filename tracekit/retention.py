"""Retention: what is older than the settings say is deleted, at start and once a day, without being in the way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tracekit.config import SystemSettings
from tracekit.errors import StoreError
from tracekit.store.leases import try_lease
from tracekit.store.traces import TraceStore

__all__ = ["RetentionSweeper", "SweepResult"]

logger = logging.getLogger("tracekit.retention")

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

# Microseconds until the next try where a sweep was not carried through, or another process was at it.
_RETRY = 3_600 * _SECOND


@dataclass(slots=True)
class SweepResult:
    """What one sweep did."""

    held: bool = False
    """False where another process was sweeping."""
    finished: bool = False
    """False where it was stopped, or the database failed it."""
    traces: int = 0
    """Traces that were deleted."""
    payloads: int = 0
    """Traces whose frames, payloads and texts were deleted."""
    problem: str | None = None


# 4 MB; takes about 40 ms.
_PAGES_AT_ONCE = 1000
_PAUSE_S = 0.05


def _wall_clock() -> int:
    return time.time_ns() // 1000


class RetentionSweeper:
    """Deletes old traces and payloads, in one process at a time. Used on one thread."""

    def __init__(
        self, store: TraceStore, settings: Callable[[], SystemSettings], clock: Callable[[], int] = _wall_clock
    ) -> None:
        """`settings` gives the settings as they are now, `clock` the time in microseconds UTC."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._due_at: int | None = None

    def due(self, now: int) -> bool:
        """Whether it is time for a sweep: at start, and a day after the last; also when the clock was set back."""
        return self._due_at is None or now >= self._due_at or now < self._due_at - _DAY

    def due_now(self) -> bool:
        """Whether it is time now."""
        return self.due(self._clock())

    def run(self, stop: threading.Event) -> SweepResult:
        """Sweep until all that is old is gone or `stop` is set. Does not raise: a database that fails is a
        `problem` of the result, and the sweep is due again in an hour."""
        result = SweepResult()
        try:
            with try_lease(self._store.database, "retention") as result.held:
                if result.held:
                    self._sweep(result, stop)
        except StoreError as error:
            result.problem = str(error)
            logger.warning("retention was interrupted: %s", error)
        self._due_at = self._clock() + (_DAY if result.finished else _RETRY)
        return result

    def _sweep(self, result: SweepResult, stop: threading.Event) -> None:
        settings, now = self._settings(), self._clock()
        days, payload_days = settings.task_trace_retention_days, settings.task_trace_payload_retention_days
        if days:
            for count in _until(stop, self._store.delete_before(now - days * _DAY, pause=stop.wait)):
                result.traces += count
        if payload_days and (not days or payload_days < days):
            for count in _until(stop, self._store.delete_payloads_before(now - payload_days * _DAY, pause=stop.wait)):
                result.payloads += count
        if result.traces or result.payloads:
            self._give_back(stop)
        result.finished = not stop.is_set()

    def _give_back(self, stop: threading.Event) -> None:
        """Return the freed space of a SQLite file to the disk, in steps as short as those of deleting."""
        while not stop.is_set() and self._store.database.give_back(_PAGES_AT_ONCE):
            stop.wait(_PAUSE_S)


def _until(stop: threading.Event, batches: Iterator[int]) -> Iterator[int]:
    """The batches that begin before `stop` is set."""
    while not stop.is_set():
        count = next(batches, None)
        if count is None:
            return
        yield count
