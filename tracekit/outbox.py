"""Frames and events of one trace between being read and being numbered, in the order in which they happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from operator import attrgetter
from typing import cast

from tracekit.masking import Mask
from tracekit.numbered_rows import NumberedRows, OutEvent
from tracekit.redaction import StreamItem
from tracekit.types import Cut, ItemKind

__all__ = ["OutEvent", "OutFrame", "Outbox"]

# Members of an enumeration are slow to reach through their class.
_FRAME = ItemKind.FRAME

_raw_of, _offset_of, _is_redacted = attrgetter("raw"), attrgetter("offset_us"), attrgetter("redacted")


class OutFrame(StreamItem):
    """A frame that waits."""

    offset_us: int = 0
    kind: ItemKind = ItemKind.FRAME
    cut: Cut | None = None
    unread: bool = False
    """It is not known yet who can decode it."""
    derived: list[OutEvent] | None = None
    """What it means: numbered right after it."""

    def sent(self, size: int) -> Cut | None:
        """What is to be told of its bytes as they were sent, if those are not stored. `size`: of `raw` as it was."""
        if self.redacted:
            return Cut(self.cut.length if self.cut else size, None)
        return self.cut


class Outbox:
    """Holds frames back while they are unread or while the mask asks for more; events wait behind them."""

    def __init__(self, rows: NumberedRows, mask: Mask) -> None:
        self._rows = rows
        self._mask = mask
        self._queue: deque[OutFrame | OutEvent] = deque()
        self._is_plain = True
        """Nothing but plain frames waits, each by itself an event."""

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, item: OutFrame | OutEvent) -> None:
        """Add what happened last."""
        self._queue.append(item)
        self._is_plain = False

    def extend(self, items: Iterable[OutFrame]) -> None:
        """Add several plain frames."""
        self._queue.extend(items)

    def put_behind(self, frame: OutFrame, event: OutEvent) -> None:
        """Add what a frame means, which is numbered right behind it."""
        frame.derived = [*(frame.derived or ()), event]
        self._is_plain = False

    def release(self, *, final: bool = False) -> None:
        """Number all that may be stored now. `final`: nothing follows, so everything."""
        if not self._queue:
            return
        frames = self._readable()
        ready = len(frames)
        if self._mask and frames:
            ready = self._masked(frames, final=final)
        if self._is_plain and ready == len(self._queue):
            self._queue.clear()
            self._rows.frames(list(map(_offset_of, frames)), list(map(_raw_of, frames)))
            return
        self._number(ready)
        self._is_plain = not self._queue

    def _masked(self, frames: list[OutFrame], *, final: bool) -> int:
        """Mask the frames; how many may be stored."""
        before = list(map(_raw_of, frames))
        ready = self._mask.stream(frames, final=final)
        if any(map(_is_redacted, frames)):
            for frame, raw in zip(frames, before, strict=True):
                if frame.redacted:
                    frame.cut = frame.sent(len(raw))
            self._is_plain = False
        return ready

    def _number(self, ready: int) -> None:
        """Number the first `ready` frames, and the events before, between and right behind them."""
        queue, rows = self._queue, self._rows
        offsets: list[int] = []
        raws: list[bytes] = []
        while queue:
            item = queue[0]
            if isinstance(item, OutFrame):
                if not ready:
                    break
                ready -= 1
                if item.kind is _FRAME and item.cut is None and item.derived is None:
                    offsets.append(item.offset_us)
                    raws.append(item.raw)
                    queue.popleft()
                    continue
            if raws:
                rows.frames(offsets, raws)
                offsets, raws = [], []
            queue.popleft()
            self._number_one(item)
        if raws:
            rows.frames(offsets, raws)

    def _number_one(self, item: OutFrame | OutEvent) -> None:
        if not isinstance(item, OutFrame):
            self._rows.event(item)
            return
        self._rows.frame(item.offset_us, item.kind, item.raw, item.cut)
        for event in item.derived or ():
            self._rows.event(event)

    def _readable(self) -> list[OutFrame]:
        """The frames before the first that is not read yet."""
        if self._is_plain:
            # Frames become readable in order, so the last one tells of all.
            plain = cast(list[OutFrame], list(self._queue))
            if not plain[-1].unread:
                return plain
        frames = []
        for item in self._queue:
            if isinstance(item, OutFrame):
                if item.unread:
                    break
                frames.append(item)
        return frames
