"""A response that was saved, read as if it were recorded now: the real pipeline with all plugins, and no database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tracekit import json_text
from tracekit.budget import Budget
from tracekit.config import SystemSettings
from tracekit.ids import new_id
from tracekit.masking import Mask
from tracekit.pipeline import TracePipeline
from tracekit.plugins import PluginHost
from tracekit.store import EventRecord, Texts
from tracekit.store.batch import Batch, EventRow
from tracekit.store.blocks import Item, Message, unpack
from tracekit.store.body import messages_of
from tracekit.trace import HttpHead, TaskTraceRecorder, TraceInfo
from tracekit.transcript import Summary
from tracekit.types import Cut, Decision, EndReason, EventType, ItemKind

__all__ = ["UNCUT", "SavedResponse", "read_response"]

UNCUT = SystemSettings.model_validate(
    {"task_trace_payload_max_length": 64 * 1024 * 1024, "task_trace_max_events": 10_000_000}
)
"""Settings under which everything that is read is kept whole."""

# Entries given to the pipeline at once, as the writer does it.
_SLICE = 64

# Nothing is dropped for want of memory: the body is in memory already.
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class SavedResponse:
    """What was read of one response. `summary` is what the decoder made of it; all else is masked, as it is stored."""

    info: TraceInfo
    """The trace as plugins see it."""
    summary: Summary
    wire_format: str
    row: Mapping[str, Any]
    """The columns of `task_traces`; those that hold JSON are decoded."""
    texts: Texts
    events: list[EventRecord]
    messages: list[tuple[Message, bytes]]
    """The body messages, cut as the app cut them."""
    mask: Mask


def read_response(
    http: HttpHead,
    messages: Iterable[bytes],
    plugins: PluginHost,
    *,
    settings: SystemSettings = UNCUT,
    end_reason: EndReason = EndReason.COMPLETED,
) -> SavedResponse:
    """Record a response whose body the app sent in these `messages`, and give what would be stored."""
    trace = _captured(http, messages, end_reason, plugins)
    pipeline = TracePipeline(trace, settings, plugins, new_id())
    while entries := trace.take(_SLICE):
        pipeline.process(entries)
    pipeline.tick(time.monotonic_ns())
    batch = Batch()
    pipeline.collect(batch)
    row = {name: _decoded(name, value) for name, value in batch.new[-1].items()}
    prompt, answer, reasoning = (_text(batch, kind) for kind in ("prompt", "answer", "reasoning"))
    return SavedResponse(
        info=pipeline.info,
        summary=pipeline.info.summary or Summary(),
        wire_format=row["wire_format"] or "unknown",
        row=row,
        texts=Texts(prompt, answer, reasoning),
        events=sorted(_events(batch.events, trace.started_us), key=lambda event: event.seq),
        messages=list(messages_of(unpack(row.frames) for row in batch.events if row.frames is not None)),
        mask=Mask(plugins, plugins.redactors(pipeline.info)),
    )


def _text(batch: Batch, kind: str) -> str:
    return next((text.text for text in batch.texts if text.kind == kind), "")


def _captured(
    http: HttpHead, messages: Iterable[bytes], end_reason: EndReason, plugins: PluginHost
) -> TaskTraceRecorder:
    trace = TaskTraceRecorder(
        Budget(_NO_LIMIT), lambda: None, environment="dev", classify=plugins.classify_error, http=http
    )
    trace.decision = Decision(True, "saved")
    trace.append_event(EventType.RESPONSE_STARTED, {})
    for message in messages:
        now = time.monotonic_ns()
        trace.entries.append((now, now, message))
    trace.finalize(end_reason)
    trace.close()
    return trace


def _decoded(name: str, value: Any) -> Any:
    return json_text.decode(value) if name in ("usage", "metadata") and value is not None else value


def _events(rows: Iterable[EventRow], started_us: int) -> Iterator[EventRecord]:
    for row in rows:
        if row.frames is not None:
            yield from (_frame(item, started_us) for item in unpack(row.frames).items())
            continue
        payload = json_text.decode(row.payload or "{}")
        offset = row.timestamp - started_us
        yield EventRecord(row.seq, row.event_type, row.timestamp, offset, row.span_id, row.phase, payload)


def _frame(item: Item, started_us: int) -> EventRecord:
    kind = ItemKind(item.kind)
    payload = {"partial": True} if kind is ItemKind.PARTIAL else None
    cut = None if item.cut is None else Cut(*item.cut)
    at = started_us + item.offset_us
    return EventRecord(item.seq, kind.event_type.value, at, item.offset_us, payload=payload, raw=item.raw, cut=cut)
