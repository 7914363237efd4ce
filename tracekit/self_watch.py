"""tracekit watching itself: each second it looks how its process stands, and says once what is wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from tracekit.alerts import Alert, AlertBook, Vitals
from tracekit.disk_watch import DiskWatch
from tracekit.health import Percentiles
from tracekit.health_report import percentiles
from tracekit.human_units import duration_text
from tracekit.latency import RecentTimes
from tracekit.liveness import ProcessRegistry
from tracekit.process_memory import resident_bytes
from tracekit.writer import Writer

__all__ = ["SelfWatch"]

logger = logging.getLogger("tracekit.alerts")

# Nobody can say when somebody has seen that a process died; an hour is what a person on duty may take.
_REMEMBERED_S = 3600.0


class SelfWatch:
    """Looks on the housekeeping thread; what it found, any thread may read."""

    def __init__(
        self,
        writer: Writer,
        disk: DiskWatch,
        registry: ProcessRegistry,
        *,
        api_times: RecentTimes,
        memory_limit_bytes: int,
        waits: Callable[[], bool],
        tell: Callable[[Alert], None],
    ) -> None:
        """`waits`: there is something for the writer to do. `tell` hears of each alert that is raised or over."""
        self._writer = writer
        self._disk = disk
        self._registry = registry
        self._api_times = api_times
        self._memory_limit = memory_limit_bytes
        self._waits = waits
        self._tell = tell
        self._book = AlertBook()
        self._signs: tuple[float, int, int] = (0.0, 0, 0)
        self._sign_at = time.monotonic()
        self._found = self._forgotten = 0
        self._found_at = 0.0

    @property
    def raised(self) -> tuple[Alert, ...]:
        """The alerts that stand, the oldest first."""
        return self._book.raised

    @property
    def api_ms(self) -> Percentiles:
        """How long the admin API took within the last five minutes."""
        return percentiles(self._api_times.milliseconds)

    def look(self) -> None:
        """Look once, and tell of what has changed."""
        for alert in self._book.look(self._vitals(), time.time_ns() // 1000):
            _log(alert)
            self._tell(alert)

    def document(self) -> list[dict[str, Any]]:
        """What stands, as the heartbeat of this process tells it to others."""
        return [{"rule": alert.rule, "detail": alert.detail, "raised_at": alert.raised_at} for alert in self.raised]

    def _vitals(self) -> Vitals:
        counters = self._writer.counters
        # The disk was looked at in this turn already; its figures are asked for only where they are told.
        disk = self._disk.health() if self._disk.short else None
        return Vitals(
            write_failures=counters.consecutive_failures,
            write_problem=counters.last_problem,
            writer_died=self._writer.died,
            writer_silent_s=self._silent_s(),
            disk_short=self._disk.short,
            disk_free_bytes=disk.free_bytes if disk else 0,
            disk_path=disk.path if disk else "",
            memory_bytes=resident_bytes(),
            memory_limit_bytes=self._memory_limit,
            api_p95_ms=self.api_ms.p95,
            left_open=self._found_open(),
        )

    def _silent_s(self) -> float:
        """How long the writer has given no sign. A round that writes much takes long, and each batch is a sign; one
        that sleeps since it has nothing to do owes none."""
        counters, now = self._writer.counters, time.monotonic()
        signs = (self._writer.beat, counters.batches, counters.failed_batches)
        if signs != self._signs or not self._waits():
            self._signs, self._sign_at = signs, now
        return now - self._sign_at

    def _found_open(self) -> int:
        """Traces of dead processes, as long as the last find is not an hour old."""
        now, found = time.monotonic(), self._registry.found_open
        if now - self._found_at > _REMEMBERED_S:
            self._forgotten = self._found
        if found != self._found:
            self._found, self._found_at = found, now
        return self._found - self._forgotten


def _log(alert: Alert) -> None:
    if alert.cleared_at is None:
        logger.error("alert %s: %s %s", alert.rule, alert.title, alert.detail)
    else:
        lasted = duration_text(alert.cleared_at - alert.raised_at)
        logger.info("alert %s is over after %s: %s", alert.rule, lasted, alert.detail)
