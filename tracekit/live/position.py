"""Where one reader of a live trace stands, and for how long it may wait."""

from __future__ import annotations

import time

from tracekit.live.pages import LivePage
from tracekit.live.states import TraceState

__all__ = ["Position"]

SETTLED_S = 2.0
"""A trace whose end was seen is over when nothing has come for so long: what the app still says, and what the writer
has in hand, comes within a few flushes."""

_OLD_US = 10_000_000
"""A trace that had ended so long ago when it was first looked at is over at once."""

_GAP_S = 2.0
"""How long a missing number is waited for."""


class Position:
    """A place in a trace. Does no I/O; `now` is monotonic seconds."""

    def __init__(self, since: int) -> None:
        self.since = since
        self._state: TraceState | None = None
        self._is_old = False
        self._caught_up = False
        self._gap_at: float | None = None
        self._moved_at = 0.0

    def take(self, page: LivePage, now: float) -> None:
        """Go on past a page."""
        if self._state is None:
            self._is_old = _ended_long_ago(page.state)
        if page.events or self._state is None or self._state.has_ended != page.state.has_ended:
            self._moved_at = now
        if not page.has_gap:
            self._gap_at = None
        elif self._gap_at is None or page.events:
            self._gap_at = now
        self.since, self._state, self._caught_up = page.until, page.state, not page.more

    def passes_gaps(self, now: float) -> bool:
        """Whether a missing number has been waited for long enough."""
        return self._is_old or (self._gap_at is not None and now - self._gap_at >= _GAP_S)

    def is_over(self, now: float) -> bool:
        """Whether the trace has ended and everything of it was read."""
        if not self._caught_up or self._state is None or not self._state.has_ended:
            return False
        return self._is_old or now - self._moved_at >= SETTLED_S

    def patience(self, now: float) -> float | None:
        """Seconds after which to read again though nothing has changed: 0 for at once, None for never."""
        if self._gap_at is not None:
            return 0.0 if self._is_old else max(0.0, self._gap_at + _GAP_S - now)
        if self._state is None or not self._caught_up or self._is_old:
            return 0.0
        return max(0.0, self._moved_at + SETTLED_S - now) if self._state.has_ended else None


def _ended_long_ago(state: TraceState) -> bool:
    return state.ended_at is not None and time.time_ns() // 1000 - state.ended_at > _OLD_US
