"""Traces whose events have times of their own, for tests of silences, timelines and exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert
from trace_rows import EVENTS, START, TEXTS, TRACES, Frame, Moment, Single, trace_row, write_blocks

from tracekit import json_text
from tracekit.store import Database
from tracekit.store.blocks import Item, Message

__all__ = ["FRAMES_PER_BLOCK", "At", "Frame", "Single", "write_timed_trace"]


FRAMES_PER_BLOCK = 8


class At(NamedTuple):
    """Something that happened so many seconds after the start."""

    seconds: float
    moment: Moment

    @property
    def offset_us(self) -> int:
        return round(self.seconds * 1_000_000)


def write_timed_trace(
    database: Database,
    timeline: Sequence[At],
    *,
    messages: Sequence[Sequence[Message] | None] = (),
    wires: Sequence[bytes] = (),
    texts: Mapping[str, str] | None = None,
    **columns: Any,
) -> str:
    """A trace whose events are the timeline, numbered from 1; answers its id. `messages` and `wires` are those of the
    first blocks."""
    items = [item for seq, at in enumerate(timeline, 1) if (item := _item(seq, at)) is not None]
    last_us = timeline[-1].offset_us if timeline else 0
    times = {"last_event_at": START + last_us, "ended_at": START + last_us, "duration_ms": last_us // 1000}
    head = trace_row([at.moment for at in timeline], items, times | columns)
    with database.writing() as connection:
        key = int(connection.execute(insert(TRACES).returning(TRACES.c.id), head).scalar_one())
        write_blocks(connection, key, items, FRAMES_PER_BLOCK, messages, wires)
        for row in _single_rows(key, timeline):
            connection.execute(insert(EVENTS), row)
        for kind, text in (texts or {}).items():
            connection.execute(insert(TEXTS), {"trace_key": key, "kind": kind, "text": text, "folded": text.casefold()})
    return str(head["trace_id"])


def _item(seq: int, at: At) -> Item | None:
    moment = at.moment
    if isinstance(moment, Single):
        return None
    frame = moment if isinstance(moment, Frame) else Frame(moment)
    return Item(seq, at.offset_us, frame.kind, frame.raw, frame.cut)


def _single_rows(key: int, timeline: Sequence[At]) -> list[dict[str, Any]]:
    return [
        {
            "trace_key": key,
            "seq": seq,
            "last_seq": seq,
            "event_type": at.moment.event_type,
            "timestamp": START + at.offset_us,
            "payload": None if at.moment.payload is None else json_text.encode(at.moment.payload),
        }
        for seq, at in enumerate(timeline, 1)
        if isinstance(at.moment, Single)
    ]
