"""What is measured of a stream as it goes by: counts, first-times, silences, and how long sending was blocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.silence import Silence

__all__ = ["StreamMeter"]


class StreamMeter:
    """Measures one stream. Times are microseconds since the start of its trace."""

    def __init__(self, idle_timeout_ms: int) -> None:
        self.silence = Silence(idle_timeout_ms)
        self.frames = 0
        self.keepalives = 0
        self.bytes = 0
        self.now_us = 0
        """When the last thing happened."""
        self._blocked_ns = 0
        self._first_byte_us: int | None = None
        self._first_frame_us: int | None = None
        self._first_delivered_us: int | None = None

    def message(self, size: int, sent_us: int, blocked_ns: int) -> None:
        """A body message was handed to the server, which took it after `blocked_ns`."""
        self.now_us = sent_us
        self.bytes += size
        self._blocked_ns += blocked_ns
        if self._first_byte_us is None:
            self._first_byte_us = sent_us

    def given_up(self, size: int) -> None:
        """Body messages of `size` bytes went by of which nothing is left."""
        self.bytes += size

    def messages(self, sizes: int, sent_us: Sequence[int], blocked_ns: int) -> None:
        """Several, of `sizes` bytes together."""
        self.message(sizes, sent_us[0], blocked_ns)
        self.now_us = sent_us[-1]

    def frame(self, at_us: int) -> dict[str, int] | None:
        """A frame that is no keepalive; what is to be told of a long silence that it ends."""
        self.frames += 1
        if self._first_frame_us is None:
            self._first_frame_us = at_us
        return self.silence.broken(at_us)

    def frames_in_a_row(self, offsets_us: list[int]) -> bool:
        """Several frames, taken note of together; False, and nothing noted, if a long silence lies between them."""
        if not self.silence.unremarkable(offsets_us):
            return False
        self.frames += len(offsets_us)
        if self._first_frame_us is None:
            self._first_frame_us = offsets_us[0]
        return True

    def keepalive(self) -> None:
        """A frame that only says that the connection lives."""
        self.keepalives += 1
        self.silence.keepalive()

    def delivered(self, first_done_us: int) -> None:
        """The server has taken a message, at `first_done_us`, that completed a frame."""
        if self._first_delivered_us is None and self.frames:
            self._first_delivered_us = first_done_us

    def columns(self) -> dict[str, Any]:
        """The columns of the trace's row."""
        return {
            "first_byte_us": self._first_byte_us,
            "first_frame_us": self._first_frame_us,
            "first_delivered_us": self._first_delivered_us,
            "longest_silence_us": self.silence.longest,
            "send_blocked_us": self._blocked_ns // 1000,
            "stalled": self.silence.idle,
            "frames": self.frames,
            "keepalives": self.keepalives,
            "bytes_seen": self.bytes,
        }
