"""How often the log is told of what goes on and on: once a minute, for each thing."""

from __future__ import annotations

import time
from collections.abc import Hashable

__all__ = ["LogPace"]

_INTERVAL_S = 60.0


class LogPace:
    """Remembers when each thing was told last."""

    def __init__(self) -> None:
        self._told_at: dict[Hashable, float] = {}

    def is_due(self, what: Hashable = None) -> bool:
        """Whether a line about `what` is due; if so, it counts as told."""
        now = time.monotonic()
        due = now - self._told_at.get(what, -_INTERVAL_S) >= _INTERVAL_S
        if due:
            self._told_at[what] = now
        return due

    def forget(self) -> None:
        """It is over: when it begins again, that is told at once."""
        self._told_at.clear()
