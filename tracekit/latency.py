"""How long things took of late: what percentiles are made of that must not remember a bad hour for a day."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["RECENT_S", "RecentTimes"]

RECENT_S = 300.0
"""What is older, in seconds, does not count any more."""

_MOST = 2000


class RecentTimes:
    """Noted on one thread, read on others: CPython copies a deque of plain tuples without letting go."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque(maxlen=_MOST)

    def note(self, milliseconds: float) -> None:
        """Something took so long, and has just ended."""
        self._noted.append((time.monotonic(), milliseconds))

    @property
    def milliseconds(self) -> list[float]:
        """What was noted within the last five minutes, the latest 2000 of it."""
        since = time.monotonic() - RECENT_S
        return [took for at, took in list(self._noted) if at >= since]
