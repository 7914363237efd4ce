"""The spans of one trace as rows, made of the events that tell of them. The same events give the same rows.

A step's life has rules that hold whoever tells of it, in whatever order:

- an end without a start makes a row that began when it ended;
- a start that comes late, even after the end, names the step and moves its beginning back;
- a second start or end changes nothing, and neither does anything else after the end;
- a step that is open when its trace has ended has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tracekit import json_text
from tracekit.store.batch import SpanRow
from tracekit.types import FINAL_STATUSES, EventType, SpanStatus

__all__ = ["NOT_ENDED", "PROCESS_DIED", "SPAN_EVENTS", "UNNAMED", "SpanRows", "is_own_beat"]

SPAN_EVENTS = frozenset(
    {
        EventType.SPAN_STARTED.value,
        EventType.SPAN_HEARTBEAT.value,
        EventType.SPAN_FINISHED.value,
        EventType.ARTIFACT_ADDED.value,
    }
)
"""The events that change the row of a span."""

UNNAMED = "(never started)"
"""Step name of a span of which no start was told."""

NOT_ENDED = "its trace ended while it was open"
PROCESS_DIED = "its process died"

# The row of a span points at so many artifacts; the events tell of each.
_MOST_ARTIFACTS = 200
_MOST_ARTIFACT_CHARACTERS = 65_536

_MOST_ERROR = 2048
_STATUSES = frozenset(SpanStatus)
_OPEN_STATUSES = _STATUSES - FINAL_STATUSES
_CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


@dataclass(slots=True)
class _Span:
    """A row while it may change. `named`: its start was told."""

    span_id: str
    started_at: int
    heartbeat_at: int
    named: bool = False
    parent_span_id: str | None = None
    layer: str | None = None
    step_name: str = UNNAMED
    kind: str | None = None
    status: str = SpanStatus.RUNNING.value
    reason_code: str | None = None
    ended_at: int | None = None
    input_summary: str | None = None
    output_summary: str | None = None
    error: str | None = None
    artifacts: list[str] = field(default_factory=list)
    artifact_characters: int = 0

    def row(self, trace_id: str) -> SpanRow:
        return SpanRow(
            trace_id,
            self.span_id,
            self.parent_span_id,
            self.layer,
            self.step_name,
            self.kind,
            self.status,
            self.reason_code,
            self.started_at,
            self.ended_at,
            self.heartbeat_at,
            self.input_summary,
            self.output_summary,
            self.error,
            f"[{','.join(self.artifacts)}]" if self.artifacts else None,
        )


class SpanRows:
    """Follows the span events of one trace. Times are microseconds UTC."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = trace_id
        self._open: dict[str, _Span] = {}
        self._ended: set[str] = set()
        self._unnamed: dict[str, _Span] = {}
        """Of those that have ended, the ones whose start was not told."""
        self._changed: dict[str, _Span] = {}
        self._beats_from = 0
        """No open span beat before this moment."""

    # What is told

    def knows(self, span_id: str) -> bool:
        """Whether anything was told of a span."""
        return span_id in self._open or span_id in self._ended

    def has_begun(self, span_id: str) -> bool:
        """Whether the start of a span was told."""
        span = self._open.get(span_id)
        return span.named if span is not None else span_id in self._ended and span_id not in self._unnamed

    def take(self, at: int, event_type: str, span_id: str, payload: dict[str, Any]) -> None:
        """An event of a span: one of `SPAN_EVENTS`."""
        if span_id in self._ended:
            if event_type == EventType.SPAN_STARTED and span_id in self._unnamed:
                late = self._changed[span_id] = self._unnamed.pop(span_id)
                _name(late, at, payload)
            return
        span = self._open.get(span_id)
        if span is None:
            span = self._open[span_id] = _Span(span_id, at, at)
            self._beats_from = min(self._beats_from, at)
        elif event_type == EventType.SPAN_STARTED and span.named:
            return
        span.heartbeat_at = max(span.heartbeat_at, at)
        self._changed[span_id] = span
        _TOLD[event_type](span, at, payload)
        if span.ended_at is not None:
            self._end(span)

    def _end(self, span: _Span) -> None:
        self._ended.add(span.span_id)
        del self._open[span.span_id]
        if not span.named:
            self._unnamed[span.span_id] = span

    def close(self, at: int, error: str = NOT_ENDED) -> None:
        """The trace ended at this moment: what is still open has failed."""
        for span in list(self._open.values()):
            span.status, span.reason_code, span.error = SpanStatus.FAILED.value, "UNEXPECTED_ERROR", error
            span.ended_at = max(at, span.heartbeat_at)
            self._changed[span.span_id] = span
            self._end(span)

    def resume(self, rows: Iterable[SpanRow]) -> None:
        """Go on from rows that are stored. What failed only because its trace ended is as good as open: an end that
        is told late goes before that."""
        for row in rows:
            span = self._open[row.span_id] = _resumed(row)
            self._beats_from = min(self._beats_from, span.heartbeat_at)
            if span.ended_at is not None:
                self._end(span)

    # What comes of it

    def due(self, now: int, interval_us: int) -> list[str]:
        """The open spans whose heart has not beaten for so long."""
        if now - self._beats_from < interval_us:
            return []
        self._beats_from = min((span.heartbeat_at for span in self._open.values()), default=now)
        return [span_id for span_id, span in self._open.items() if now - span.heartbeat_at >= interval_us]

    @property
    def has_changed(self) -> bool:
        """Whether any row changed since `changed` was called."""
        return bool(self._changed)

    def changed(self) -> list[SpanRow]:
        """The rows that changed since the last call."""
        rows, self._changed = [span.row(self._trace_id) for span in self._changed.values()], {}
        return rows


def is_own_beat(event_type: str, payload: Any) -> bool:
    """Whether an event is a heartbeat that nobody sent: it says that the process lives, not that the work moves."""
    return event_type == EventType.SPAN_HEARTBEAT and payload == {"by": "recorder"}


# What each event means


def _started(span: _Span, at: int, payload: dict[str, Any]) -> None:
    _name(span, at, payload)
    _beat(span, at, payload)


def _name(span: _Span, at: int, payload: dict[str, Any]) -> None:
    span.named = True
    span.started_at = min(span.started_at, at)
    span.parent_span_id = _text(payload.get("parent_span_id"), 16)
    span.layer, span.kind = _text(payload.get("layer"), 64), _text(payload.get("kind"), 64)
    span.step_name = _text(payload.get("step_name"), 256) or UNNAMED


def _beat(span: _Span, _at: int, payload: dict[str, Any]) -> None:
    status = payload.get("status")
    if isinstance(status, str) and status in _OPEN_STATUSES:
        reason = _text(payload.get("reason"), _MOST_ERROR)
        span.status, span.error = status, reason
        span.reason_code = reason if reason and len(reason) <= 64 and _CODE.fullmatch(reason) else None
    _summarise(span, payload)


def _finished(span: _Span, at: int, payload: dict[str, Any]) -> None:
    status = payload.get("status")
    is_final = isinstance(status, str) and status in FINAL_STATUSES
    span.status = str(status) if is_final else SpanStatus.SUCCESS.value
    span.reason_code = _text(payload.get("reason_code"), 64)
    span.error = _text(payload.get("error"), _MOST_ERROR)
    span.ended_at = at
    _summarise(span, payload)


def _summarise(span: _Span, payload: dict[str, Any]) -> None:
    if payload.get("input") is not None:
        span.input_summary = json_text.encode(payload["input"])
    if payload.get("output") is not None:
        span.output_summary = json_text.encode(payload["output"])


def _artifact(span: _Span, _at: int, payload: dict[str, Any]) -> None:
    text = json_text.encode(payload)
    if len(span.artifacts) < _MOST_ARTIFACTS and span.artifact_characters + len(text) <= _MOST_ARTIFACT_CHARACTERS:
        span.artifacts.append(text)
        span.artifact_characters += len(text)


_TOLD = {
    EventType.SPAN_STARTED.value: _started,
    EventType.SPAN_HEARTBEAT.value: _beat,
    EventType.SPAN_FINISHED.value: _finished,
    EventType.ARTIFACT_ADDED.value: _artifact,
}


def _text(value: Any, most: int) -> str | None:
    if value is None:
        return None
    return (value if isinstance(value, str) else json_text.encode(value))[:most]


def _resumed(row: SpanRow) -> _Span:
    artifacts = [json_text.encode(artifact) for artifact in json_text.decode(row.artifacts)] if row.artifacts else []
    status, reason_code, error, ended_at = row.status, row.reason_code, row.error, row.ended_at
    if error in (NOT_ENDED, PROCESS_DIED):
        status, reason_code, error, ended_at = SpanStatus.RUNNING.value, None, None, None
    return _Span(
        span_id=row.span_id,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at or row.started_at,
        named=row.step_name != UNNAMED,
        parent_span_id=row.parent_span_id,
        layer=row.layer,
        step_name=row.step_name,
        kind=row.kind,
        status=status,
        reason_code=reason_code,
        ended_at=ended_at,
        input_summary=row.input_summary,
        output_summary=row.output_summary,
        error=error,
        artifacts=artifacts,
        artifact_characters=sum(map(len, artifacts)),
    )
