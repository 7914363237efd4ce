"""Names shared by every layer: ASGI aliases, the words of a trace, and small value types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "FINAL_STATUSES",
    "ASGIApp",
    "Actor",
    "Cut",
    "Decision",
    "EndReason",
    "EventType",
    "Framing",
    "ItemKind",
    "Lineage",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "SpanStatus",
    "TraceStatus",
    "was_seen_to_end",
]


class TraceStatus(StrEnum):
    """Where a trace stands. Every value but `RUNNING` is final."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class EndReason(StrEnum):
    """Who ended a trace, and how."""

    COMPLETED = "completed"
    COMPLETED_THEN_DISCONNECTED = "completed_then_disconnected"
    CLIENT_DISCONNECTED = "client_disconnected"
    SERVER_CANCELLED = "server_cancelled"
    APP_ERROR = "app_error"
    STREAM_ERROR = "stream_error"
    HTTP_ERROR = "http_error"
    PROCESS_DIED = "process_died"
    NO_DATA_CLOSED = "no_data_closed"
    RECORDING_FAILED = "recording_failed"
    """The stream went on, but tracekit failed on it; what is stored ends in the middle."""

    @property
    def status(self) -> TraceStatus:
        """The status that a trace with this ending has."""
        return _STATUS_OF_ENDING[self]


_STATUS_OF_ENDING = {
    EndReason.COMPLETED: TraceStatus.COMPLETED,
    EndReason.COMPLETED_THEN_DISCONNECTED: TraceStatus.COMPLETED,
    EndReason.CLIENT_DISCONNECTED: TraceStatus.CANCELLED,
    EndReason.SERVER_CANCELLED: TraceStatus.CANCELLED,
    EndReason.APP_ERROR: TraceStatus.FAILED,
    EndReason.STREAM_ERROR: TraceStatus.FAILED,
    EndReason.HTTP_ERROR: TraceStatus.FAILED,
    EndReason.PROCESS_DIED: TraceStatus.INTERRUPTED,
    EndReason.NO_DATA_CLOSED: TraceStatus.FAILED,
    EndReason.RECORDING_FAILED: TraceStatus.INTERRUPTED,
}


def was_seen_to_end(end_reason: str | None) -> bool:
    """Whether a record goes to the end of its stream: it does not while it runs, nor where what recorded it ended
    first."""
    return end_reason in set(EndReason) and EndReason(end_reason).status is not TraceStatus.INTERRUPTED


class SpanStatus(StrEnum):
    """Where a step stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    BLOCKED = "blocked"
    RETRYING = "retrying"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


FINAL_STATUSES = frozenset({SpanStatus.SUCCESS, SpanStatus.FAILED, SpanStatus.CANCELED})
"""The statuses of a span that has ended."""


class EventType(StrEnum):
    """What happened at one moment of a trace."""

    PROCESS_STARTED = "process.started"
    REQUEST_RECEIVED = "request.received"
    RESPONSE_STARTED = "response.started"
    STREAM_FRAME = "stream.frame"
    STREAM_KEEPALIVE = "stream.keepalive"
    STREAM_IDLE = "stream.idle"
    STREAM_RESUMED = "stream.resumed"
    STREAM_ERROR = "stream.error"
    TOOL_STARTED = "tool.started"
    TOOL_ARGUMENTS = "tool.arguments"
    TOOL_FINISHED = "tool.finished"
    TOOL_FAILED = "tool.failed"
    LLM_CALL_STARTED = "llm_call.started"
    LLM_CALL_COMPLETED = "llm_call.completed"
    USAGE = "usage"
    PERSIST_PROGRESS = "persist.progress"
    RETRY = "retry"
    SPAN_STARTED = "span.started"
    SPAN_HEARTBEAT = "span.heartbeat"
    SPAN_FINISHED = "span.finished"
    PHASE_ENTERED = "phase.entered"
    PHASE_EXITED = "phase.exited"
    CHECKPOINT_COMMITTED = "checkpoint.committed"
    CHECKPOINT_VERIFIED = "checkpoint.verified"
    ARTIFACT_ADDED = "artifact.added"
    WORK_ITEM_STARTED = "work_item.started"
    WORK_ITEM_PROGRESS = "work_item.progress"
    WORK_ITEM_FINISHED = "work_item.finished"
    LOG = "log"
    ERROR = "error"
    CLIENT_DISCONNECTED = "client.disconnected"
    TRACE_TRUNCATED = "trace.truncated"
    TRACE_FINISHED = "trace.finished"


class Framing(StrEnum):
    """How a response body is cut into frames."""

    SSE = "sse"
    NDJSON = "ndjson"
    WHOLE = "whole"
    """One frame per ASGI body message: plain JSON, and bodies that cannot be read."""


class ItemKind(IntEnum):
    """What a run of stream bytes is."""

    FRAME = 0
    KEEPALIVE = 1
    PARTIAL = 2
    """Bytes after the last complete frame, when the stream ended."""

    @property
    def event_type(self) -> EventType:
        """The event type under which readers see it."""
        return EventType.STREAM_KEEPALIVE if self is ItemKind.KEEPALIVE else EventType.STREAM_FRAME


class Cut(NamedTuple):
    """What is known of a frame's bytes that were changed before storing."""

    length: int
    """Bytes that were sent."""
    sha256: str | None
    """Of the bytes that were sent; None where redaction changed them, since a hash can be guessed back."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked: `id` is the host's own name for the user, None for an anonymous one."""

    id: str | None = None
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a trace comes from."""

    parent_trace_id: str
    parent_span_id: str | None
    root_trace_id: str
    traceparent: str | None
    tracestate: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is recorded, and the word that says why (stored as `enabled_by`)."""

    record: bool
    why: str
