"""Events given their numbers behind those that a trace has, held to the limits, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Row

from tracekit import json_text
from tracekit.store.incoming import (
    INGESTED,
    Ending,
    IncomingEvent,
    IncomingSpan,
    IncomingTrace,
    IngestedEvent,
    IngestedTrace,
)
from tracekit.store.span_rows import NOT_ENDED, PROCESS_DIED, SpanRows, is_own_beat
from tracekit.store.statements import storable
from tracekit.types import EndReason, EventType, TraceStatus

__all__ = ["Appending"]

# Of the events a trace may store, so many are kept free for its end and for words on what was dropped.
_RESERVED = 100

_TOOL_STARTED = EventType.TOOL_STARTED.value


_Item = tuple[IncomingEvent, str | None, int | None]
"""An event that is to be stored, its id, and which of the events that were told it is."""


class _Drops(NamedTuple):
    events: int
    bytes: int


class Appending:
    """One trace that is appended to, inside the transaction that has locked its row."""

    def __init__(self, row: Row[Any], spans: SpanRows, known: dict[str, int], max_events: int) -> None:
        """`known`: the numbers of events that were stored before, by their ids."""
        self.key: int = row.id
        self.rows: list[tuple[Any, ...]] = []
        """New events, by `EVENT_COLUMNS`."""
        self.ids: list[tuple[int, str, int]] = []
        """Trace key, id and number of those that have an id."""
        self.spans = spans
        self._row = row
        self._known = known
        self._room = max_events - _RESERVED
        self._most = max_events - 1
        self._seq: int = row.last_seq
        self._last_event_at: int = row.last_event_at
        self._cut = self._size = self._tool_calls = self._duplicates = 0
        self._dropped = _Drops(0, 0)
        self._counted = _Drops(0, 0)
        self._ending: Ending | None = None

    def take(self, trace: IncomingTrace) -> IngestedTrace:
        """Number what is told of the trace; what became of it."""
        told = IngestedTrace(trace.trace_id)
        waiting = [*self._new_events(trace), *self._new_steps(trace)]
        numbered: dict[int, int | None] = {}
        for event, event_id, place in sorted(waiting, key=lambda item: item[0].timestamp):
            seq = self._take(event, event_id)
            if place is not None:
                numbered[place] = seq
        self._known |= {event_id: seq for _, event_id, seq in self.ids}
        self._tell_drops()
        if trace.ending is not None:
            self._end(trace.ending)
        self._close_spans()
        told.events = [self._outcome(event, numbered, place) for place, event in enumerate(trace.events)]
        told.stored, told.duplicates, told.dropped = len(self.rows), self._duplicates, self._dropped.events
        told.last_seq = self._seq
        told.status = self._ending.status if self._ending else self._row.status
        return told

    def _new_events(self, trace: IncomingTrace) -> Iterator[_Item]:
        seen: set[str] = set()
        for place, event in enumerate(trace.events):
            if event.id is None:
                yield event, None, place
            elif event.id in self._known or event.id in seen:
                self._duplicates += 1
            else:
                seen.add(event.id)
                yield event, event.id, place

    def _new_steps(self, trace: IncomingTrace) -> Iterator[_Item]:
        seen: set[str] = set()
        begun: set[str] = set()
        for span in trace.spans:
            if span.id in self._known or span.id in seen:
                self._duplicates += 1
                continue
            seen.add(span.id)
            *before, last = _events_of(span, known=span.span_id in begun or self.spans.has_begun(span.span_id))
            begun.add(span.span_id)
            yield from ((event, None, None) for event in before)
            yield last, span.id, None

    # Numbering

    @property
    def _full(self) -> bool:
        return self._seq >= self._room

    def _take(self, event: IncomingEvent, event_id: str | None) -> int | None:
        at = max(event.timestamp, self._row.started_at)
        if event.step is not None and event.span_id is not None and (not self._full or self.spans.knows(event.span_id)):
            self.spans.take(at, event.event_type, event.span_id, event.step)
        if self._full:
            self._dropped = _Drops(self._dropped.events + 1, self._dropped.bytes + len(event.payload))
            return None
        seq = self._store(event, at)
        if event_id is not None:
            self.ids.append((self.key, event_id, seq))
        return seq

    def _store(self, event: IncomingEvent, at: int) -> int:
        self._seq += 1
        self._size += len(event.payload)
        self._cut += event.cut
        self._tool_calls += event.event_type == _TOOL_STARTED
        if at > self._last_event_at and not is_own_beat(event.event_type, event.step):
            self._last_event_at = at
        self.rows.append(
            (
                self.key,
                self._seq,
                self._seq,
                storable(event.event_type),
                at,
                event.payload,
                None,
                False,
                event.span_id,
                storable(event.phase),
            )
        )
        return self._seq

    def _tell_drops(self) -> None:
        """What is dropped is counted as long as that can be told: counters are derived from events."""
        if self._dropped.events and self._seq < self._most:
            self._counted = self._dropped
            told = {"reason": "max_events", **self._counted._asdict()}
            self._store_own(EventType.TRACE_TRUNCATED, self._last_event_at, told)

    def _store_own(self, event_type: EventType, at: int, payload: dict[str, Any]) -> None:
        self._store(IncomingEvent(event_type.value, at, json_text.encode(payload), cut=False), at)

    # The end

    def _end(self, ending: Ending) -> None:
        """The first end holds, but for one that was only guessed, since nothing was heard of the trace for long."""
        guessed = self._row.end_reason == EndReason.PROCESS_DIED and self._row.owner_process_id == INGESTED
        if self._row.status != TraceStatus.RUNNING and not guessed:
            return
        at = max(ending.ended_at, self._row.started_at)
        self._ending = ending._replace(ended_at=at)
        facts = {
            "status": ending.status,
            "end_reason": ending.end_reason,
            "reason_code": ending.reason_code,
            "duration_ms": self._duration_ms(at),
        }
        self._store_own(EventType.TRACE_FINISHED, at, facts)

    def _duration_ms(self, ended_at: int) -> int:
        return (ended_at - int(self._row.started_at)) // 1000

    def _close_spans(self) -> None:
        if self._ending is not None:
            self.spans.close(self._ending.ended_at, _why(self._ending.end_reason))
        elif self._row.ended_at is not None:
            self.spans.close(self._row.ended_at, _why(self._row.end_reason))

    # What came of it

    def _outcome(self, event: IncomingEvent, numbered: dict[int, int | None], place: int) -> IngestedEvent:
        if place in numbered:
            seq = numbered[place]
            return IngestedEvent(event.id, seq, "dropped" if seq is None else "stored")
        assert event.id is not None
        seq = self._known.get(event.id)
        return IngestedEvent(event.id, seq, "dropped" if seq is None else "duplicate")

    def columns(self, trace: IncomingTrace) -> dict[str, Any]:
        """The columns of the trace's row that change."""
        row, stored, dropped = self._row, len(self.rows), self._counted
        changed: dict[str, Any] = {
            "last_seq": self._seq,
            "last_event_at": self._last_event_at,
            "events_seen": row.events_seen + stored + dropped.events,
            "events_stored": row.events_stored + stored,
            "events_dropped": row.events_dropped + dropped.events,
            "bytes_stored": row.bytes_stored + self._size,
            "bytes_dropped": row.bytes_dropped + dropped.bytes,
            "payloads_cut": row.payloads_cut + self._cut,
            "payloads_redacted": row.payloads_redacted + trace.redacted,
            "tool_calls": row.tool_calls + self._tool_calls,
        }
        changed |= {name: value for name, value in trace.columns.items() if row._mapping[name] is None}
        if row.end_reason == EndReason.PROCESS_DIED or not row.closed:
            # Should its process come back, it finds that the trace is its own no longer.
            changed["owner_process_id"] = INGESTED
        if self._ending is not None:
            changed |= self._ended_columns(self._ending)
        return changed

    def _ended_columns(self, ending: Ending) -> dict[str, Any]:
        return {
            "status": ending.status,
            "end_reason": ending.end_reason,
            "reason_code": ending.reason_code,
            "error": ending.error,
            "ended_at": ending.ended_at,
            "duration_ms": self._duration_ms(ending.ended_at),
            "stalled": False,
            "closed": True,
        }


def _events_of(span: IncomingSpan, *, known: bool) -> list[IncomingEvent]:
    """The events that a step as it stands makes; at least one."""
    events = [] if known else [span.started]
    if span.finished is not None:
        events.append(span.finished)
    return events or [span.beat]


def _why(end_reason: str | None) -> str:
    return PROCESS_DIED if end_reason == EndReason.PROCESS_DIED else NOT_ENDED
