"""The body of one response on the writer thread: messages in, frames out to the outbox or straight to the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracekit.body_stage import BodyStage
from tracekit.budget import ENTRY_OVERHEAD
from tracekit.numbered_rows import NumberedRows
from tracekit.outbox import Outbox, OutFrame
from tracekit.stream_meter import StreamMeter
from tracekit.stream_reading import StreamReading
from tracekit.trace import BodyEntry
from tracekit.types import Cut, ItemKind

__all__ = ["BodyIntake"]

# Members of an enumeration are slow to reach through their class.
_FRAME, _KEEPALIVE = ItemKind.FRAME, ItemKind.KEEPALIVE


class BodyIntake:
    """Takes the body messages of one trace in order. `tell_silence(at, told)` hears of long silences that end."""

    def __init__(
        self,
        started_ns: int,
        body: BodyStage,
        meter: StreamMeter,
        *,
        rows: NumberedRows,
        outbox: Outbox,
        tell_silence: Callable[[int, dict[str, int]], None],
    ) -> None:
        self._started_ns = started_ns
        self._body = body
        self._meter = meter
        self._rows = rows
        self._outbox = outbox
        self._tell_silence = tell_silence
        self.reading: StreamReading | None = None
        """Who reads the frames, once it is known that somebody may."""
        self.queued = False
        """Frames pass the outbox, since somebody reads or masks them."""

    def finish(self) -> None:
        """The body has ended: what is left of it is its last frame."""
        for piece in self._body.finish():
            self._piece(*piece)

    def gap(self, at: int) -> None:
        """Body messages were given up here: no frame goes across."""
        for piece in self._body.gap(at):
            self._piece(*piece)

    def messages(self, entries: Sequence[tuple[int, int, bytes]]) -> int:
        """Body messages in a row; what they took of the budget. Nearly always each is one plain frame: then they are
        taken all at once, and a frame costs little more than its share of a few passes over bytes."""
        sent, done, bodies = zip(*entries, strict=True)
        size = sum(map(len, bodies))
        if self._body.are_plain(bodies):
            offsets = [(at - self._started_ns) // 1000 for at in sent]
            self._meter.messages(size, offsets, sum(done) - sum(sent))
            self._plain_frames(offsets, bodies)
            self._meter.delivered((done[0] - self._started_ns) // 1000)
        else:
            for entry in entries:
                self.message(entry)
        return size + len(entries) * ENTRY_OVERHEAD

    def _plain_frames(self, offsets: list[int], bodies: Sequence[bytes]) -> None:
        if not self._meter.frames_in_a_row(offsets):
            for at, body in zip(offsets, bodies, strict=True):
                self._rows.message(len(body), at, body)
                self._piece(at, _FRAME, body, None)
        elif not self.queued:
            self._rows.whole(offsets, list(bodies))
        else:
            self._rows.messages(offsets, bodies)
            items = [OutFrame(body, offset_us=at) for at, body in zip(offsets, bodies, strict=True)]
            self._outbox.extend(items)
            if self.reading is not None:
                self.reading.read_plain(items)

    def message(self, entry: BodyEntry) -> None:
        """One body message of any kind; of one that came when memory was short there is only its length."""
        sent, done, body = entry
        offset = (sent - self._started_ns) // 1000
        size = body if isinstance(body, int) else len(body)
        self._meter.message(size, offset, done - sent)
        self._rows.message(size, offset, b"" if isinstance(body, int) else body)
        pieces = self._body.missing(offset, body) if isinstance(body, int) else self._body.feed(offset, body)
        for piece in pieces:
            self._piece(*piece)
        self._meter.delivered((done - self._started_ns) // 1000)

    def _piece(self, at: int, kind: ItemKind, raw: bytes, cut: Cut | None) -> None:
        if kind is _KEEPALIVE:
            self._meter.keepalive()
        elif (told := self._meter.frame(at)) is not None:
            self._tell_silence(at, told)
        if not self.queued:
            self._rows.frame(at, kind, raw, cut)
            return
        item = OutFrame(raw, offset_us=at, kind=kind, cut=cut)
        self._outbox.put(item)
        if self.reading is not None and kind is not _KEEPALIVE:
            self.reading.read(item)
