"""The latest events of several traces at once, in short."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, func

from tracekit.store.blocks import Block, unpack
from tracekit.store.last_rows import LastRows
from tracekit.store.question_records import EventGlimpse
from tracekit.store.rows import TRACES, decoded_object
from tracekit.store.windows import PACKED_TYPES
from tracekit.types import EventType, ItemKind

__all__ = ["LastEvents", "Latest", "last_events", "text_preview"]

_MOST_PREVIEW = 300
_MOST_DECODED = 4000

# What is looked for in a payload is small; the beginning of a large one is enough to show.
_SINGLES = LastRows(
    lambda events: [
        *(events.c[name] for name in ("seq", "event_type", "timestamp", "span_id")),
        func.substr(events.c.payload, 1, _MOST_DECODED).label("payload"),
    ],
    lambda events: events.c.frames.is_(None),
)
# A block may begin before single events and go on after them, so the last one is looked up on its own.
_BLOCKS = LastRows(
    lambda events: [
        *(events.c[name] for name in ("seq", "last_seq", "event_type", "timestamp", "span_id", "frames")),
        TRACES.c.started_at,
    ],
    lambda events: events.c.frames.is_not(None),
)

_NO_SIGN = frozenset({EventType.STREAM_KEEPALIVE.value, EventType.STREAM_IDLE.value})
_NOT_GOOD = _NO_SIGN | {
    EventType.STREAM_ERROR.value,
    EventType.ERROR.value,
    EventType.TOOL_FAILED.value,
    EventType.RETRY.value,
    EventType.CLIENT_DISCONNECTED.value,
    EventType.TRACE_TRUNCATED.value,
}


class Latest:
    """One of the latest events. Its payload is decoded when it is looked at."""

    __slots__ = ("_text", "event_type", "seq", "span_id", "timestamp")

    def __init__(self, seq: int, event_type: str, timestamp: int, span_id: str | None, text: str | None) -> None:
        self.seq = seq
        self.event_type = event_type
        self.timestamp = timestamp
        self.span_id = span_id
        self._text = text

    @property
    def payload(self) -> dict[str, Any]:
        """What it says; empty for a frame, and for an event without."""
        return {} if self.event_type in PACKED_TYPES else decoded_object(self._text) or {}

    @property
    def glimpse(self) -> EventGlimpse:
        """The event in short."""
        return EventGlimpse(self.seq, self.event_type, self.timestamp, self.span_id, text_preview(self._text) or "")

    @property
    def is_sign(self) -> bool:
        """It shows that work moves: it is no keepalive, no notice of silence, no heartbeat that nobody sent."""
        if self.event_type == EventType.SPAN_HEARTBEAT:
            return self.payload.get("by") != "recorder"
        return self.event_type not in _NO_SIGN

    @property
    def is_good(self) -> bool:
        """It shows that work moves, and tells of no trouble."""
        return self.is_sign and self.event_type not in _NOT_GOOD


class LastEvents:
    """The latest events of one trace, newest first. What is not looked at is neither unpacked nor decoded."""

    def __init__(self, rows: Iterable[Row[Any]], block: Row[Any] | None) -> None:
        self._rows = sorted(rows, key=itemgetter(1), reverse=True)
        self._block = block
        self._read: list[Latest] = []
        self._unread = self._events()

    def __iter__(self) -> Iterator[Latest]:
        yield from self._read
        for event in self._unread:
            self._read.append(event)
            yield event

    def first(self, wanted: Callable[[Latest], bool] = lambda _: True) -> Latest | None:
        """The newest event that is `wanted`."""
        return next(filter(wanted, self), None)

    def _events(self) -> Iterator[Latest]:
        frames = self._frames()
        next_frame = -1 if self._block is None else int(self._block.last_seq)
        for row in self._rows:
            while next_frame > row.seq and (frame := next(frames, None)) is not None:
                yield frame
                next_frame = frame.seq - 1
            values: list[Any] = [*row[1:]]
            yield Latest(*values)
        yield from frames

    def _frames(self) -> Iterator[Latest]:
        """The last item of the block and, where that is a keepalive, the last one that says something."""
        row = self._block
        if row is None:
            return
        try:
            block = unpack(row.frames)
        except ValueError as error:
            yield Latest(row.last_seq, row.event_type, row.timestamp, row.span_id, f"damaged: {error}")
            return
        kinds = dict(block.kinds)
        last = len(block) - 1
        yield _frame(block, last, kinds, row)
        if kinds.get(last) == ItemKind.KEEPALIVE:
            said = next((i for i in range(last, -1, -1) if kinds.get(i) != ItemKind.KEEPALIVE), None)
            if said is not None:
                yield _frame(block, said, kinds, row)


def _frame(block: Block, i: int, kinds: Mapping[int, int], row: Row[Any]) -> Latest:
    event_type = ItemKind(kinds.get(i, ItemKind.FRAME)).event_type.value
    raw = block.raws(i, i + 1)[0][: _MOST_PREVIEW * 4].decode("utf-8", "replace")
    return Latest(block.seqs()[i], event_type, row.started_at + block.times()[i], row.span_id, raw)


def last_events(connection: Connection, keys: Collection[int], count: int = 1) -> dict[int, LastEvents]:
    """The last `count` single events, and the last block of frames, of each of these traces."""
    singles: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in _SINGLES.read(connection, keys, count):
        singles[row.id].append(row)
    blocks = {row.id: row for row in _BLOCKS.read(connection, keys)}
    return {key: LastEvents(singles[key], blocks.get(key)) for key in keys}


def text_preview(text: str | None, most: int = _MOST_PREVIEW) -> str | None:
    """The beginning of a text, with a mark where it goes on."""
    return text if text is None or len(text) <= most else f"{text[:most]}…"
