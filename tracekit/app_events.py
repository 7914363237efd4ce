"""What an app says of its own work while a trace runs: spans, phases, artifacts, tool calls, anything it logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracekit import json_text
from tracekit.artifacts import artifact_facts
from tracekit.masking import Mask
from tracekit.numbered_rows import NumberedRows, OutEvent
from tracekit.payload_limit import held_step
from tracekit.said_calls import SaidCalls
from tracekit.store.batch import SpanRow
from tracekit.store.span_rows import SPAN_EVENTS, SpanRows
from tracekit.types import EventType

__all__ = ["AppEvents"]

_MOST_PHASE = 128
_OWN_BEAT = {"by": "recorder"}


class AppEvents:
    """Takes the app's events of one trace in order, masks them and passes them on to `put`."""

    def __init__(
        self,
        trace_id: str,
        started_us: int,
        *,
        mask: Mask,
        rows: NumberedRows,
        put: Callable[[OutEvent], None],
        said_calls: SaidCalls,
        heartbeat_us: int,
    ) -> None:
        self._started_us = started_us
        self._mask = mask
        self._rows = rows
        self._put = put
        self._said_calls = said_calls
        self._heartbeat_us = heartbeat_us
        self._spans = SpanRows(trace_id)
        self._phase: str | None = None
        self.closed = False
        """Nothing more comes, and what was open has ended."""

    def take(self, offset_us: int, event_type: str, payload: Any, span_id: str | None) -> Any:
        """An event, and the span it belongs to; its payload as it is stored."""
        payload = payload if isinstance(payload, dict) else {"value": payload}
        if event_type == EventType.ARTIFACT_ADDED and isinstance(payload.get("uri"), str):
            payload |= artifact_facts(payload["uri"])
        masked = self._mask.value(payload)
        if event_type == EventType.PHASE_ENTERED:
            self._phase = _phase_of(masked)
        if span_id is not None and event_type in SPAN_EVENTS:
            masked = self._step(offset_us, event_type, span_id, masked)
        else:
            self._put(OutEvent(offset_us, event_type, json_text.encode(masked), span_id, self._phase))
        if event_type == EventType.PHASE_EXITED and _phase_of(masked) == self._phase:
            self._phase = None
        self._said_calls.take(offset_us, event_type, payload)
        return masked

    def _step(
        self, offset_us: int, event_type: str, span_id: str, payload: dict[str, Any], *, moves: bool = True
    ) -> dict[str, Any]:
        """An event that changes the row of a span. A full trace follows the spans it knows, and takes no new ones:
        there are never more rows of spans than a trace may have events."""
        kept, text = held_step(payload, self._rows.most_bytes)
        if not self._rows.full or self._spans.knows(span_id):
            self._spans.take(self._started_us + offset_us, event_type, span_id, kept)
        self._put(OutEvent(offset_us, event_type, text.text, span_id, self._phase, moves, text.cut))
        return kept

    def beat(self, now_us: int) -> None:
        """Let the hearts of open spans beat. That says that the process lives, not that the work moves."""
        for span_id in self._spans.due(self._started_us + now_us, self._heartbeat_us):
            self._step(now_us, EventType.SPAN_HEARTBEAT.value, span_id, _OWN_BEAT, moves=False)

    def close(self, ended_us: int, error: str) -> None:
        """Nothing more comes of this trace, which ended at `ended_us` UTC: what is still open has failed by `error`."""
        self._spans.close(ended_us, error)
        self.closed = True

    def changed_spans(self) -> list[SpanRow]:
        """The rows of spans that changed since the last call."""
        return self._spans.changed()

    @property
    def changed(self) -> bool:
        """Whether any did."""
        return self._spans.has_changed


def _phase_of(payload: dict[str, Any]) -> str:
    return str(payload.get("phase"))[:_MOST_PHASE]
