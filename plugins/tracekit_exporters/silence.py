"""Silences of a stream: the time between two frames, with the keepalives that fell into it."""

from __future__ import annotations

from typing import NamedTuple

from tracekit.human_units import counted, duration_text
from tracekit.store.records import EventRecord
from tracekit.types import EventType

__all__ = ["Silence", "SilenceWatch"]

# A reader feels a pause of a second; shorter ones are how models write.
_SHORTEST_US = 1_000_000

_ENDS = frozenset({EventType.TRACE_FINISHED, EventType.CLIENT_DISCONNECTED})
# Signs of life that say nothing.
_IDLE = frozenset(
    {EventType.STREAM_KEEPALIVE, EventType.STREAM_IDLE, EventType.STREAM_RESUMED, EventType.SPAN_HEARTBEAT}
)


class Silence(NamedTuple):
    """A pause that has ended."""

    duration_us: int
    keepalives: int

    def __str__(self) -> str:
        kept = f" with {counted(self.keepalives, 'keepalive')}" if self.keepalives else ""
        return f"{duration_text(self.duration_us)} of silence{kept}"


class SilenceWatch:
    """Sees the events of a trace in order."""

    def __init__(self, *, streams: bool) -> None:
        """`streams`: the trace has frames, so only they break a silence; else every event of meaning does."""
        self._streams = streams
        self._since: int | None = None
        self._keepalives = 0

    def see(self, event: EventRecord) -> Silence | None:
        """The silence that `event` ends, if it was longer than a second."""
        if self._since is None:
            self._since = event.offset_us
        if event.event_type == EventType.STREAM_KEEPALIVE:
            self._keepalives += 1
        if not self._breaks(event.event_type):
            return None
        silence = Silence(event.offset_us - self._since, self._keepalives)
        self._since, self._keepalives = event.offset_us, 0
        return silence if silence.duration_us > _SHORTEST_US else None

    def _breaks(self, event_type: str) -> bool:
        if self._streams:
            return event_type == EventType.STREAM_FRAME or event_type in _ENDS
        return event_type not in _IDLE
