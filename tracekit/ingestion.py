"""What other programs tell of their work, taken in: checked, masked, held to the limits, and appended.

The programs may be of any kind: a workflow engine, a service in another language, a shell script. What they tell
is held to the same rules as what is recorded here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tracekit import json_text
from tracekit.config import SystemSettings
from tracekit.errors import WrongState
from tracekit.ids import new_id
from tracekit.masking import Mask
from tracekit.payload_limit import held, held_step
from tracekit.plugins import PluginHost
from tracekit.policy import allows
from tracekit.store.engine import Database
from tracekit.store.incoming import Ending, IncomingEvent, IncomingSpan, IncomingTrace, IngestedTrace
from tracekit.store.ingest import ingest
from tracekit.store.span_rows import SPAN_EVENTS
from tracekit.trace import TraceInfo
from tracekit.types import FINAL_STATUSES, EndReason, EventType, SpanStatus, TraceStatus

__all__ = ["Ingestion", "ToldEnd", "ToldEvent", "ToldSpan", "ToldTrace"]

_MOST_ERROR = 2048


class ToldEvent(Protocol):
    """An event as a program tells it. Times are microseconds UTC; None: now."""

    type: str
    payload: dict[str, Any]
    id: str | None
    timestamp: int | None
    span_id: str | None
    phase: str | None


class ToldSpan(Protocol):
    """A step as it stands. `status` None: it runs, or has ended well or, with an error, not."""

    span_id: str
    step_name: str
    parent_span_id: str | None
    layer: str | None
    kind: str | None
    status: SpanStatus | None
    started_at: int | None
    ended_at: int | None
    input: Any
    output: Any
    error: str | None
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class ToldEnd:
    """How a trace ended. `ended_at` None: now."""

    reason: EndReason
    reason_code: str | None = None
    error: str | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class ToldTrace:
    """What a program tells of one trace."""

    trace_id: str | None = None
    """None: a new one."""
    words: dict[str, str | None] = field(default_factory=dict)
    """Columns that hold text: `name`, `session_id`, `message_id`, `client_message_id`, `actor`."""
    metadata: dict[str, Any] | None = None
    parent_trace_id: str | None = None
    parent_span_id: str | None = None
    started_at: int | None = None
    events: Sequence[ToldEvent] = ()
    spans: Sequence[ToldSpan] = ()
    end: ToldEnd | None = None


class Ingestion:
    """Takes in what programs tell, under the settings in force."""

    def __init__(self, database: Database, plugins: PluginHost, settings: SystemSettings, environment: str) -> None:
        self._database = database
        self._plugins = plugins
        self._settings = settings
        self._environment = environment

    def take(self, traces: Sequence[ToldTrace]) -> list[IngestedTrace]:
        """Append all of it, or nothing; what became of each trace. Each id is named once.

        Raises:
            WrongState: recording is switched off here, or a recorder owns one of the traces.
            InvalidInput: a trace would be its own ancestor.
            StoreUnavailable: the database cannot be written now.
        """
        settings = self._settings
        if not allows(settings, self._environment):
            raise WrongState(f"recording is switched off for {self._environment} (task_trace_enabled, task_trace_env)")
        now = time.time_ns() // 1000
        incoming = [self._prepared(trace, now) for trace in traces]
        taken = ingest(self._database, incoming, settings.task_trace_max_events)
        for answer, told in zip(taken, traces, strict=True):
            answer.events = [event._replace(id=said.id) for event, said in zip(answer.events, told.events, strict=True)]
        return taken

    def _prepared(self, told: ToldTrace, now: int) -> IncomingTrace:
        trace_id = told.trace_id or new_id()
        mask = Mask(self._plugins, self._plugins.redactors(TraceInfo(trace_id, self._environment, _say_nothing)))
        prepared = _Preparing(self._plugins, mask, self._settings.task_trace_payload_max_length, now)
        events = prepared.events(told.events)
        spans = [prepared.step(span) for span in told.spans]
        times = [event.timestamp for event in events] + [span.started.timestamp for span in spans]
        return IncomingTrace(
            trace_id=trace_id,
            columns=prepared.columns(told),
            started_at=told.started_at if told.started_at is not None else min([*times, now]),
            environment=self._environment,
            parent_trace_id=told.parent_trace_id,
            parent_span_id=told.parent_span_id,
            events=events,
            spans=spans,
            ending=None if told.end is None else prepared.ending(told.end),
            redacted=mask.redacted,
        )


def _say_nothing(event_type: str, /, **payload: Any) -> None:
    """A redactor that logs has nothing to log to yet."""


class _Preparing:
    """One trace on its way into the store."""

    def __init__(self, plugins: PluginHost, mask: Mask, most_bytes: int, now: int) -> None:
        self._plugins = plugins
        self._mask = mask
        self._most_bytes = most_bytes
        self._now = now

    def columns(self, told: ToldTrace) -> dict[str, Any]:
        """The columns that a program may set, as far as it does."""
        columns = {name: self._word(word) for name, word in told.words.items() if word is not None}
        if told.metadata:
            columns["metadata"] = held(json_text.encode(self._mask.value(told.metadata)), self._most_bytes).text
        return columns

    def _word(self, text: str) -> str:
        return str(self._mask.value(text))

    def events(self, told: Sequence[ToldEvent]) -> list[IncomingEvent]:
        """The events, their payloads masked together, which takes half the time."""
        payloads = self._masked([event.payload for event in told])
        return [self._event(event, payload) for event, payload in zip(told, payloads, strict=True)]

    def _masked(self, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self._mask:
            return payloads
        redacted = self._mask.redacted
        masked = self._mask.value(payloads)
        if not isinstance(masked, list) or len(masked) != len(payloads) or any(type(one) is not dict for one in masked):
            # A redactor failed at one of them: each by itself, so that only that one is withheld.
            self._mask.redacted = redacted
            return [self._mask.value(payload) for payload in payloads]
        self._mask.redacted = redacted + sum(a is not b and a != b for a, b in zip(masked, payloads, strict=True))
        return masked

    def _event(self, told: ToldEvent, payload: dict[str, Any]) -> IncomingEvent:
        at = self._now if told.timestamp is None else told.timestamp
        phase = None if told.phase is None else self._word(told.phase)
        event_id = None if told.id is None else _digest_of(told.id.encode())
        if told.span_id is not None and told.type in SPAN_EVENTS:
            step, text = held_step(payload, self._most_bytes)
            return IncomingEvent(told.type, at, *text, event_id, told.span_id, phase, step)
        text = held(json_text.encode(payload), self._most_bytes)
        return IncomingEvent(told.type, at, *text, event_id, told.span_id, phase)

    def _step_event(self, span_id: str, event_type: EventType, at: int, facts: dict[str, Any]) -> IncomingEvent:
        given = {name: value for name, value in facts.items() if value is not None}
        step, text = held_step(self._mask.value(given), self._most_bytes)
        return IncomingEvent(event_type.value, at, *text, span_id=span_id, step=step)

    def step(self, told: ToldSpan) -> IncomingSpan:
        """A step as it stands. However many events tell of it, what was masked in it counts once."""
        before = self._mask.redacted
        incoming = self._span(told)
        self._mask.redacted = min(self._mask.redacted, before + 1)
        return incoming

    def _span(self, told: ToldSpan) -> IncomingSpan:
        started_at = self._now if told.started_at is None else told.started_at
        named = {
            "step_name": told.step_name,
            "layer": told.layer,
            "kind": told.kind,
            "parent_span_id": told.parent_span_id,
            "input": told.input,
        }
        ending = _final_status(told)
        stands = {"status": None if ending else told.status, "reason": None if ending else told.error}
        return IncomingSpan(
            id=f"span:{told.span_id}:{_digest(told)}",
            span_id=told.span_id,
            started=self._step_event(told.span_id, EventType.SPAN_STARTED, started_at, named | stands),
            beat=self._step_event(
                told.span_id,
                EventType.SPAN_HEARTBEAT,
                self._now,
                {**stands, "input": told.input, "output": told.output},
            ),
            finished=self._finished(told, ending, started_at) if ending else None,
        )

    def _finished(self, told: ToldSpan, ending: str, started_at: int) -> IncomingEvent:
        at = self._now if told.ended_at is None else max(told.ended_at, started_at)
        facts = {"status": ending, "duration_us": max(at - started_at, 0), "output": told.output}
        return self._step_event(told.span_id, EventType.SPAN_FINISHED, at, facts | self._explained(told, ending))

    def _explained(self, told: ToldSpan, ending: str) -> dict[str, Any]:
        if told.error is None and told.reason_code is None and ending != SpanStatus.FAILED:
            return {}
        reason = self._plugins.classify_error(told.error or "")
        if told.reason_code not in (None, reason.code):
            return {"error": told.error, "reason_code": told.reason_code}
        facts = {"reason_code": reason.code, "reason_class": reason.reason_class, "advice": reason.advice}
        return {"error": told.error, **facts}

    def ending(self, told: ToldEnd) -> Ending:
        """How the trace ended."""
        code = told.reason_code
        if code is None and told.reason.status is not TraceStatus.COMPLETED:
            code = self._plugins.classify_error(told.error or told.reason.value).code
        error = None if told.error is None else self._word(told.error)[:_MOST_ERROR]
        at = self._now if told.ended_at is None else told.ended_at
        return Ending(told.reason.status.value, told.reason.value, code, error, at)


def _final_status(told: ToldSpan) -> str | None:
    """The status of a step that has ended; None of one that has not."""
    if told.status is not None and told.status in FINAL_STATUSES:
        return told.status.value
    if told.ended_at is None:
        return None
    return (SpanStatus.SUCCESS if told.error is None else SpanStatus.FAILED).value


def _digest(told: ToldSpan) -> str:
    """What tells one word on a step from another: the same word twice is one."""
    fields = [getattr(told, name) for name in ToldSpan.__annotations__]
    return _digest_of(json_text.encode_bytes(fields))


def _digest_of(told: bytes) -> str:
    """Stands in the database for what is only ever compared, whatever secret somebody may have made an id of."""
    return hashlib.sha256(told).hexdigest()[:32]
