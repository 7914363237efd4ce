"""A trace's events given their numbers, held to the limits, and packed into rows."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tracekit import json_text
from tracekit.config import SystemSettings
from tracekit.payload_limit import HeldPayload, held
from tracekit.store.batch import EventRow
from tracekit.store.blocks import pack
from tracekit.store.packing import BlockBuilder
from tracekit.types import Cut, EventType, ItemKind

__all__ = ["NumberedRows", "OutEvent"]

# Of the events a trace may store, how many are kept free for its last frames and its end.
_RESERVED = 100
_LAST_FRAMES = 50

# Stored however full the trace is: few, and without them a trace cannot be understood.
_ESSENTIAL = frozenset(
    {
        EventType.TRACE_FINISHED.value,
        EventType.TRACE_TRUNCATED.value,
        EventType.ERROR.value,
        EventType.STREAM_ERROR.value,
        EventType.USAGE.value,
        EventType.LLM_CALL_COMPLETED.value,
        EventType.CLIENT_DISCONNECTED.value,
    }
)
_MOST_ESSENTIAL = _RESERVED - _LAST_FRAMES


class OutEvent(NamedTuple):
    """An event that waits. The payload is masked JSON text."""

    offset_us: int
    event_type: str
    payload: str
    span_id: str | None = None
    phase: str | None = None
    moves: bool = True
    """It shows that the work moves on: all events do but a heartbeat that nobody sent."""
    cut: bool | None = None
    """Its payload was held to the limit already, and whether that took a cut; None: it was not."""


class _Frame(NamedTuple):
    offset_us: int
    kind: ItemKind
    raw: bytes
    cut: Cut | None


class NumberedRows:
    """Numbers events from 1 without a gap and gathers them as rows, frames packed in blocks."""

    def __init__(self, trace_id: str, started_us: int, settings: SystemSettings, *, wired: bool) -> None:
        self._trace_id = trace_id
        self._started_us = started_us
        self._room = settings.task_trace_max_events - _RESERVED
        self.most_bytes = settings.task_trace_payload_max_length
        """Most bytes of one payload."""
        self._builder = BlockBuilder(wired=wired)
        self._block_seq = 0
        self._rows: list[EventRow] = []
        self._last_frames: deque[_Frame] = deque()
        self._essential = 0
        self._rows_bytes = 0
        self._told = self._told_bytes = 0
        self.last_seq = 0
        """Number of the last event; as many are stored."""
        self.dropped = 0
        self.dropped_bytes = 0
        self.cut = 0
        self.last_offset_us = 0

    @property
    def full(self) -> bool:
        """Whether only the last frames and the end are still stored."""
        return self.last_seq >= self._room

    def whole(self, offsets_us: list[int], raws: list[bytes]) -> None:
        """Store plain frames that are one body message each: the usual case, many at once."""
        if self.last_seq + len(raws) > self._room or max(map(len, raws)) > self.most_bytes:
            for offset, raw in zip(offsets_us, raws, strict=True):
                self.message(len(raw), offset, raw)
                self.frame(offset, ItemKind.FRAME, raw, None)
            return
        self._block_seq = self._block_seq or self.last_seq + 1
        self.last_seq += len(raws)
        self.last_offset_us = max(self.last_offset_us, offsets_us[-1])
        if self._builder.add_whole(offsets_us, raws):
            self._close_block()

    def message(self, size: int, offset_us: int, wire: bytes = b"") -> None:
        """Note the boundary of a body message, and what went over the wire where that is not the frames' bytes."""
        if not self.full:
            self._builder.add_message(size, offset_us, wire)

    def messages(self, offsets_us: list[int], bodies: Sequence[bytes]) -> None:
        """Note several body messages."""
        if not self.full:
            self._builder.add_messages(list(map(len, bodies)), offsets_us)

    def frames(self, offsets_us: list[int], raws: list[bytes]) -> None:
        """Store plain frames."""
        if self.last_seq + len(raws) > self._room or max(map(len, raws)) > self.most_bytes:
            for offset, raw in zip(offsets_us, raws, strict=True):
                self.frame(offset, ItemKind.FRAME, raw, None)
            return
        self._block_seq = self._block_seq or self.last_seq + 1
        self.last_seq += len(raws)
        self.last_offset_us = max(self.last_offset_us, offsets_us[-1])
        if self._builder.add_frames(offsets_us, raws):
            self._close_block()

    def frame(self, offset_us: int, kind: ItemKind, raw: bytes, cut: Cut | None) -> None:
        """Store a frame, or keep it among the last ones when the trace is full."""
        if len(raw) > self.most_bytes:
            cut = cut or Cut(len(raw), hashlib.sha256(raw).hexdigest())
            raw = raw[: self.most_bytes]
        if self.full:
            self._last_frames.append(_Frame(offset_us, kind, raw, cut))
            if len(self._last_frames) > _LAST_FRAMES:
                self._drop_frame(self._last_frames.popleft())
            return
        self._store_frame(offset_us, kind, raw, cut)

    def _store_frame(self, offset_us: int, kind: ItemKind, raw: bytes, cut: Cut | None) -> None:
        self.last_seq += 1
        self.last_offset_us = max(self.last_offset_us, offset_us)
        self.cut += cut is not None
        if not self._block_seq:
            self._block_seq = self.last_seq
        if self._builder.add(offset_us, kind, raw, cut):
            self._close_block()

    def _drop_frame(self, frame: _Frame) -> None:
        size = frame.cut.length if frame.cut else len(frame.raw)
        self._builder.skip(size)
        self.drop(1, size)

    def drop(self, events: int, size: int, *, told: bool = False) -> None:
        """Count events that are not stored. `told`: an event of its own says so."""
        self.dropped += events
        self.dropped_bytes += size
        if told:
            self._told += events
            self._told_bytes += size

    def event(self, event: OutEvent) -> None:
        """Store an event, unless the trace is full and it is none that always fits."""
        offset_us, event_type, payload = event.offset_us, event.event_type, event.payload
        if self.full and not self._fits(event_type):
            self.drop(1, len(payload))
            return
        payload, cut = held(payload, self.most_bytes) if event.cut is None else HeldPayload(payload, event.cut)
        self.cut += cut
        self.last_seq += 1
        self._rows_bytes += len(payload)
        if event.moves:
            self.last_offset_us = max(self.last_offset_us, offset_us)
        self._builder.jump(1)
        at = self._started_us + offset_us
        row = EventRow(
            self._trace_id,
            self.last_seq,
            self.last_seq,
            event_type,
            at,
            payload,
            span_id=event.span_id,
            phase=event.phase,
        )
        self._rows.append(row)

    def _fits(self, event_type: str) -> bool:
        if event_type in (EventType.TRACE_FINISHED, EventType.TRACE_TRUNCATED):
            return True
        self._essential += event_type in _ESSENTIAL
        return event_type in _ESSENTIAL and self._essential <= _MOST_ESSENTIAL - 2

    def finish(self) -> None:
        """The stream is over: tell what was dropped since that was told last, and store the last frames that were
        kept for now."""
        if self.dropped > self._told:
            events, size = self.dropped - self._told, self.dropped_bytes - self._told_bytes
            told = {"reason": "max_events", "events": events, "bytes": size}
            self.event(OutEvent(self.last_offset_us, EventType.TRACE_TRUNCATED, json_text.encode(told)))
            self._told, self._told_bytes = self.dropped, self.dropped_bytes
        while self._last_frames:
            self._store_frame(*self._last_frames.popleft())
        if self._builder.holds_wire_alone:
            self._store_frame(self.last_offset_us, ItemKind.PARTIAL, b"", None)

    def _close_block(self) -> None:
        self._rows_bytes += self._builder.bytes
        block = self._builder.build(self._block_seq)
        self._block_seq = 0
        last = block.first_seq + len(block) - 1 + sum(count for _, count in block.seq_jumps)
        at = self._started_us + block.offsets[0]
        row = EventRow(
            self._trace_id, block.first_seq, last, EventType.STREAM_FRAME, at, frames=pack(block), events=len(block)
        )
        self._rows.append(row)

    def take(self, *, sealed: bool) -> list[EventRow]:
        """The rows made since the last call. `sealed`: no more blocks will come that these could be merged with."""
        if len(self._builder):
            self._close_block()
        rows, self._rows = self._rows, []
        return [row._replace(sealed=True) if row.frames else row for row in rows] if sealed else rows

    def columns(self) -> dict[str, int]:
        """The columns of the trace's row; `last_event_at` as microseconds since its start."""
        return {
            "events_seen": self.last_seq + self.dropped + len(self._last_frames),
            "events_stored": self.last_seq,
            "events_dropped": self.dropped,
            "bytes_stored": self._rows_bytes + self._builder.bytes,
            "bytes_dropped": self.dropped_bytes,
            "payloads_cut": self.cut,
            "last_seq": self.last_seq,
            "last_event_at": self.last_offset_us,
        }
