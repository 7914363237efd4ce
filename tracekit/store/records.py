"""What the store answers: plain frozen values, free of the database.

Times are integer microseconds UTC, durations integer microseconds unless the name says `_ms`, as in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from tracekit.types import Cut

__all__ = [
    "DeletionEstimate",
    "EventFilter",
    "EventPage",
    "EventRecord",
    "Neighbours",
    "OpenToolCall",
    "Page",
    "Snapshot",
    "StoreCounts",
    "Texts",
    "TraceFilter",
    "TraceRecord",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One trace, column by column as `TaskTrace` has it, without the integer key; JSON columns are decoded."""

    trace_id: str
    name: str | None
    session_id: str | None
    message_id: str | None
    client_message_id: str | None
    actor: str | None
    actor_is_admin: bool
    status: str
    end_reason: str | None
    reason_code: str | None
    error: str | None
    trace_level: str
    enabled_by: str
    environment: str
    method: str | None
    path: str | None
    client: str | None
    http_status: int | None
    content_type: str | None
    content_encoding: str | None
    framing: str | None
    wire_format: str | None
    model: str | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    usage: dict[str, Any] | None
    tool_calls: int
    prompt_preview: str | None
    answer_preview: str | None
    first_byte_us: int | None
    first_frame_us: int | None
    first_content_us: int | None
    first_delivered_us: int | None
    longest_silence_us: int
    send_blocked_us: int
    stalled: bool
    frames: int
    keepalives: int
    events_seen: int
    events_stored: int
    events_dropped: int
    bytes_seen: int
    bytes_stored: int
    bytes_dropped: int
    frames_undecoded: int
    payloads_cut: int
    payloads_redacted: int
    payloads_deleted: bool
    last_seq: int
    started_at: int
    ended_at: int | None
    duration_ms: int | None
    last_event_at: int
    parent_trace_id: str | None
    parent_span_id: str | None
    root_trace_id: str | None
    traceparent: str | None
    tracestate: str | None
    owner_process_id: str
    metadata: dict[str, Any] | None


class EventRecord(msgspec.Struct, frozen=True):
    """One event. A struct and no dataclass, because pages and exports make them by the thousand and a frozen
    dataclass takes ten times as long to make; copy it with `msgspec.structs.replace`.

    `offset_us` counts from the start of the trace. Frames and keepalives have `raw`, the bytes as stored, and no
    payload but `{"partial": true}` where the stream ended inside the frame; other events have only a payload.
    """

    seq: int
    event_type: str
    timestamp: int
    offset_us: int
    span_id: str | None = None
    phase: str | None = None
    payload: dict[str, Any] | None = None
    raw: bytes | None = None
    cut: Cut | None = None
    """Set where `raw` is not what was sent: it was cut or redacted."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `next_cursor` asks for what follows and is None at the end."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of a trace's events in order of seq. The next page is the one since `next_seq`."""

    events: Sequence[EventRecord]
    total: int
    """Events stored of this trace, whatever the page leaves out."""
    has_more: bool
    next_seq: int
    """Seq of the last event on this page; where it is empty, the seq that was asked for."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What a trace says, as text; empty where nothing was said."""

    prompt: str = ""
    answer: str = ""
    reasoning: str = ""
    whole: bool = True
    """Nothing is missing of what was said until now, as far as it is known who can read the stream."""


@dataclass(frozen=True, slots=True)
class OpenToolCall:
    """A tool call that has begun and not ended. `offset_us` is when it began."""

    seq: int
    offset_us: int
    id: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A trace at one moment: what a reader needs who joins while it is being written."""

    trace: TraceRecord
    texts: Texts
    open_tool_calls: Sequence[OpenToolCall]
    last_events: Sequence[EventRecord]
    event_counts: Mapping[str, int]
    """How many of each event type are stored. The frames of a stream stand under `stream.frame`."""

    @property
    def next_seq(self) -> int:
        """The seq since which events must be read to miss none that came after this snapshot."""
        return self.last_events[-1].seq if self.last_events else self.trace.last_seq


@dataclass(frozen=True, slots=True)
class Visible:
    """Which traces a reader may see who may not see all: those of these sessions, and those of these actors. Of none
    where both are empty; and none that has neither a session nor an actor, since that is nobody's."""

    sessions: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()

    @classmethod
    def of(cls, sessions: Iterable[str], actors: Iterable[str]) -> Visible:
        """The same for the same names, in whatever order."""
        return cls(*(tuple(sorted(set(names))) for names in (sessions, actors)))


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces a list shows: all conditions that are set hold. Times are microseconds UTC."""

    session: str | None = None
    status: str | None = None
    end_reason: str | None = None
    actor: str | None = None
    environment: str | None = None
    model: str | None = None
    started_after: int | None = None
    """Started at this moment or later."""
    started_before: int | None = None
    """Started before this moment."""
    keyword: str | None = None
    """Stands in an id, the path, the prompt or the answer, in upper or lower case."""
    first_content_over_us: int | None = None
    """The first content came later than so many microseconds after the start."""
    visible: Visible | None = None
    """What the reader may see at all; None: everything."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The ids of the traces beside one in a list, None at its ends."""

    newer: str | None
    older: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events of a trace are shown: all conditions that are set hold. Stream frames meet none of them."""

    phase: str | None = None
    layer: str | None = None
    """The event belongs to a span of this layer."""
    span: str | None = None
    actor: str | None = None
    """The event's own `actor`, for traces in which several work together."""


@dataclass(frozen=True, slots=True)
class DeletionEstimate:
    """What a deletion would remove: traces, and the bytes of frames and payloads they store."""

    traces: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much the store holds. `bytes` is what they take on disk."""

    traces: int
    by_status: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
