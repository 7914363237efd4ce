"""Silence: how long a stream says nothing, keepalives not counted as saying something."""

from __future__ import annotations

from operator import sub

__all__ = ["Silence"]


class Silence:
    """Follows one stream. Times are microseconds since its start; the wait for the first frame is a silence too."""

    __slots__ = ("_idle_us", "_keepalives", "_last", "idle", "longest")

    def __init__(self, idle_timeout_ms: int) -> None:
        self._idle_us = idle_timeout_ms * 1000
        self._last = 0
        self._keepalives = 0
        self.longest = 0
        self.idle = False
        """The silence that now lasts has passed the limit."""

    def keepalive(self) -> None:
        """A keepalive went by: the connection lives, nothing was said."""
        self._keepalives += 1

    def passed_limit(self, now: int) -> int | None:
        """The moment at which the silence that lasts passed the limit, the first time that this is asked after it."""
        if self.idle or now - self._last < self._idle_us:
            return None
        self.idle = True
        return self._last + self._idle_us

    def unremarkable(self, offsets: list[int]) -> bool:
        """Frames at these times follow so closely that no silence among them need be looked at one by one; they are
        taken note of then."""
        longest = max(offsets[0] - self._last, *map(sub, offsets[1:], offsets), 0)
        if longest >= self._idle_us:
            return False
        self.longest = max(self.longest, longest)
        self._last, self._keepalives = offsets[-1], 0
        return True

    def broken(self, at: int) -> dict[str, int] | None:
        """A frame ends the silence. If that had passed the limit, what is to be told of it: its length, the keepalives
        in it and, where nobody noticed so far, when it passed the limit (`idle_at`)."""
        silence = at - self._last
        told = None
        self.longest = max(self.longest, silence)
        if silence >= self._idle_us:
            told = {"silence_us": silence, "keepalives": self._keepalives}
            if not self.idle:
                told["idle_at"] = self._last + self._idle_us
        self._last, self._keepalives, self.idle = at, 0, False
        return told

    def ended(self, at: int) -> None:
        """The stream is over: the time since its last frame was the last silence."""
        self.longest = max(self.longest, at - self._last)
        self.idle = False
