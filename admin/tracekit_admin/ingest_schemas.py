"""What other programs may send, and what they are answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tracekit.errors import InvalidInput
from tracekit.ids import parse_id
from tracekit.store.rows import is_storable
from tracekit.types import FINAL_STATUSES, EndReason, EventType, SpanStatus, TraceStatus
from tracekit_admin.queries import microseconds

__all__ = ["MOST_EVENTS", "IngestBatch", "IngestEvent", "IngestRequest", "IngestResult", "IngestSpan", "IngestTrace"]

MOST_EVENTS = 1000
"""Events and spans in one request."""

_MOST_BATCHES = 100

# Moments are told by clocks that nobody has looked at. What lies outside of these bounds is a mistake.
_EARLIEST_US = 946_684_800_000_000  # 2000-01-01
_AHEAD_US = 86_400_000_000

# Events that only a recorder can tell, since others are derived from them or they stand packed.
_OF_RECORDERS = ("stream.", "trace.")
_OF_SPANS = frozenset({EventType.SPAN_STARTED, EventType.SPAN_HEARTBEAT, EventType.SPAN_FINISHED})

_DEFAULT_ENDS = {
    TraceStatus.COMPLETED: EndReason.COMPLETED,
    TraceStatus.FAILED: EndReason.APP_ERROR,
    TraceStatus.CANCELLED: EndReason.SERVER_CANCELLED,
    TraceStatus.INTERRUPTED: EndReason.PROCESS_DIED,
}


def _moment(value: object) -> object:
    if value is None:
        return None
    at = value if type(value) is int else microseconds(value)
    if not _EARLIEST_US <= at <= time.time_ns() // 1000 + _AHEAD_US:
        raise ValueError("a moment since the year 2000 and not later than tomorrow")
    return at


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("text without NUL and lone surrogates")
    return text


def _trace_id(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = parse_id(value[:64])
    except InvalidInput as error:
        raise ValueError(str(error)) from None
    if not int(found, 16):
        raise ValueError("a trace id is not all zeros")
    return found


_MOMENT_SCHEMA = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "description": "Microseconds UTC."}]
}
_At = Annotated[int, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA, mode="validation")]
_Id = Annotated[str, BeforeValidator(_trace_id), Field(max_length=64)]
_SpanId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
_Key = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_storable)]
_Word = Annotated[str, Field(max_length=256)]
_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Text = Annotated[str, Field(max_length=65536)]


def _require_order(started_at: int | None, ended_at: int | None) -> None:
    if started_at is not None and ended_at is not None and ended_at < started_at:
        raise ValueError("ended_at lies before started_at")


class _Told(BaseModel):
    """A JSON object that holds these fields and no others, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class IngestTrace(_Told):
    """The trace that is told of. Without `trace_id` it is a new one with each request; give one of your own (a UUID)
    to add to it later, and to be able to send a request again."""

    trace_id: _Id | None = None
    name: _Word | None = None
    session_id: _Word | None = None
    message_id: _Word | None = None
    client_message_id: _Word | None = None
    actor: _Word | None = None
    metadata: dict[str, Any] | None = None
    parent_trace_id: _Id | None = Field(None, description="What `PARENT_RUN_ID` holds in a child process.")
    parent_span_id: _SpanId | None = None
    started_at: _At | None = Field(None, description="Left out: the earliest moment that the first request names.")
    ended_at: _At | None = None
    status: TraceStatus = Field(
        TraceStatus.RUNNING, strict=False, description="Anything but `running` ends the trace. The first end holds."
    )
    end_reason: EndReason | None = Field(None, strict=False)
    reason_code: _Code | None = None
    error: _Text | None = None

    @model_validator(mode="after")
    def _ends_coherently(self) -> Self:
        _require_order(self.started_at, self.ended_at)
        if self.status is TraceStatus.RUNNING:
            if any((self.end_reason, self.reason_code, self.error is not None, self.ended_at is not None)):
                raise ValueError("end_reason, reason_code, error and ended_at need a status other than running")
        elif self.end_reason is not None and self.end_reason.status is not self.status:
            raise ValueError(f"a trace whose end_reason is {self.end_reason} is {self.end_reason.status.value}")
        return self

    @property
    def reason(self) -> EndReason | None:
        """How it ended; None while it runs."""
        return self.end_reason or _DEFAULT_ENDS.get(self.status)


class IngestEvent(_Told):
    """One event. With an `id` of the program's own it is stored once, however often it is sent."""

    id: _Key | None = None
    type: str = Field(
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$",
        description="A dotted name. `stream.` and `trace.` are the recorder's own; `span.` events need a `span_id`.",
    )
    timestamp: _At | None = Field(None, description="Left out: now.")
    span_id: _SpanId | None = None
    phase: Annotated[str, Field(max_length=128)] | None = None
    payload: dict[str, Any] = {}

    @model_validator(mode="after")
    def _may_be_told(self) -> Self:
        if self.type.startswith(_OF_RECORDERS):
            raise ValueError(f"{self.type}: only a recorder tells that")
        if self.type.startswith("span.") and (self.type not in _OF_SPANS or self.span_id is None):
            raise ValueError(f"{self.type}: give its span_id; there are: {', '.join(sorted(_OF_SPANS))}")
        return self


class IngestSpan(_Told):
    """A step as it stands: the first word on it starts it, one with `ended_at` or a final status ends it, any other
    is a heartbeat. The same word twice counts once."""

    span_id: _SpanId
    step_name: _Name
    parent_span_id: _SpanId | None = None
    layer: Annotated[str, Field(max_length=64)] | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
    status: SpanStatus | None = Field(None, strict=False)
    started_at: _At | None = None
    ended_at: _At | None = None
    input: Any = None
    output: Any = None
    error: _Text | None = Field(None, description="Why it failed; of a step that goes on, why it stands as it does.")
    reason_code: _Code | None = None

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if self.parent_span_id == self.span_id:
            raise ValueError("a span is not its own parent")
        _require_order(self.started_at, self.ended_at)
        if self.ended_at is not None and self.status is not None and self.status not in FINAL_STATUSES:
            raise ValueError(f"a span that has ended is not {self.status}")
        return self


class IngestBatch(_Told):
    """What is told of one trace."""

    trace: IngestTrace
    events: Annotated[list[IngestEvent], Field(max_length=MOST_EVENTS)] = []
    spans: Annotated[list[IngestSpan], Field(max_length=MOST_EVENTS)] = []


class IngestRequest(_Told):
    """Of one trace: `trace`, `events` and `spans`. Of several: `batches`, each with those three. At most 1000 events
    and spans together; all of it is stored, or nothing."""

    trace: IngestTrace | None = None
    events: Annotated[list[IngestEvent], Field(max_length=MOST_EVENTS)] = []
    spans: Annotated[list[IngestSpan], Field(max_length=MOST_EVENTS)] = []
    batches: Annotated[list[IngestBatch], Field(max_length=_MOST_BATCHES)] = []

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.trace is None) == (not self.batches):
            raise ValueError("give a trace, or batches with a trace each")
        if self.trace is None and (self.events or self.spans):
            raise ValueError("events and spans belong to a trace")
        several = self.all_batches()
        if sum(len(batch.events) + len(batch.spans) for batch in several) > MOST_EVENTS:
            raise ValueError(f"at most {MOST_EVENTS} events and spans in a request")
        ids = [batch.trace.trace_id for batch in several if batch.trace.trace_id is not None]
        if len(set(ids)) < len(ids):
            raise ValueError("a trace is named in two batches")
        return self

    def all_batches(self) -> Sequence[IngestBatch]:
        """What is told, trace by trace."""
        if self.trace is None:
            return self.batches
        return [IngestBatch.model_construct(trace=self.trace, events=self.events, spans=self.spans)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IngestedEvent(_Answer):
    """What became of an event: stored now, stored before under the same id, or dropped since the trace is full."""

    id: str | None
    seq: int | None
    outcome: Literal["stored", "duplicate", "dropped"]


class IngestedTrace(_Answer):
    """What became of what was told of one trace. `stored` counts also the events that were made of spans and of the
    end."""

    trace_id: str
    created: bool
    status: TraceStatus
    last_seq: int
    stored: int
    duplicates: int
    dropped: int
    events: list[IngestedEvent]


class IngestResult(_Answer):
    """One for each trace, in the order of the request; their events likewise."""

    traces: list[IngestedTrace]
