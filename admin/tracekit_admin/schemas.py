"""The documents of the API as models: what the OpenAPI document says of them, and what tests hold answers against.

Those of traces and of health are made from the records that the store and the recorder answer, so that they cannot
fall behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from tracekit import alerts, health
from tracekit.config import SystemSettings
from tracekit.store.records import TraceRecord
from tracekit_admin.documents import NOT_LISTED
from tracekit_admin.queries import Moment

__all__ = [
    "AuditPage",
    "CleanupRequest",
    "CleanupResult",
    "Event",
    "EventPage",
    "GarbagePage",
    "GarbageRemoval",
    "GarbageRequest",
    "Health",
    "ProblemDocument",
    "Settings",
    "SettingsChanges",
    "SignInForm",
    "SnapshotDocument",
    "Trace",
    "TraceDetail",
    "TracePage",
    "TraceSummary",
]

Seq = Annotated[int, Field(ge=0)]


class Document(BaseModel):
    """A JSON object that holds these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Document):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemDocument(Document):
    """Why a request was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


# Traces

_MOMENTS = {"started_at": datetime, "ended_at": datetime | None, "last_event_at": datetime}
_KINDS = {**get_type_hints(TraceRecord), **_MOMENTS}


def _trace_model(
    name: str, description: str, *, without: Collection[str] = (), more: Mapping[str, Any] | None = None
) -> type[BaseModel]:
    columns: dict[str, Any] = {field.name: (_KINDS[field.name], ...) for field in fields(TraceRecord)}
    kept = {name: kind for name, kind in columns.items() if name not in without}
    return create_model(name, __base__=Document, __doc__=description, **kept, **(more or {}))


class Event(Document):
    """One event. The payload of a frame or keepalive holds its `bytes` (how many are stored) and them as `text`, or
    as `base64` where they are not UTF-8; `cut` has length and SHA-256 of what was sent where that is not stored."""

    seq: Seq
    event_type: str
    timestamp: datetime
    offset_us: int = Field(description="Microseconds since the start of the trace.")
    span_id: str | None
    phase: str | None
    payload: dict[str, Any] | None


class EventPage(Document):
    """A part of a trace's events, in order of seq."""

    events: list[Event]
    total: int = Field(description="Events stored of this trace.")
    has_more: bool
    next_seq: Seq = Field(description="Ask for the events since this number to go on.")


_PAGE_FIELDS = {name: (field.annotation, field) for name, field in EventPage.model_fields.items()}

TraceSummary = _trace_model("TraceSummary", "A trace as lists show it.", without=NOT_LISTED)
Trace = _trace_model("Trace", "All facts of a trace.")
TraceDetail = _trace_model("TraceDetail", "All facts of a trace, and its first events.", more=_PAGE_FIELDS)


class TracePage(Document):
    """A part of the list of traces, newest first."""

    items: list[TraceSummary]  # type: ignore[valid-type]  # made from the record when this module is loaded
    next_cursor: str | None


class TextsDocument(Document):
    """What a trace says until now; empty where nothing was said. `whole` is false where some of it is missing."""

    prompt: str
    answer: str
    reasoning: str
    whole: bool


class OpenToolCall(Document):
    """A tool call that has begun and not ended."""

    seq: Seq
    offset_us: int
    id: str | None
    name: str | None


class SnapshotDocument(Document):
    """A trace at one moment; read the events since `next_seq` to follow it from there."""

    trace: Trace  # type: ignore[valid-type]  # made from the record when this module is loaded
    texts: TextsDocument
    open_tool_calls: list[OpenToolCall]
    last_events: list[Event]
    event_counts: dict[str, int]
    next_seq: Seq


class CleanupRequest(Document):
    """Which traces are deleted: those that started before a moment, and have ended. One of the two must be given."""

    older_than_days: int | None = Field(None, ge=0, le=36500, strict=True)
    before: Moment | None = None
    dry_run: bool = Field(False, strict=True, description="Only say what would be deleted.")


class CleanupResult(Document):
    """What was deleted, or would be."""

    traces: int
    bytes: int = Field(description="Of frames and payloads, as they were sent.")
    dry_run: bool


# Workspaces


class GarbageItem(Document):
    """A workspace that may go."""

    trace_id: str
    reason: Literal["gone", "inactive"] = Field(description="Its trace is gone, or had no event for 7 days.")
    bytes: int
    files: int
    last_active_at: datetime = Field(
        description="Last event of the trace; where that is gone, last change of the workspace."
    )
    age_s: int = Field(description="Whole seconds since then.")


class GarbagePage(Document):
    """A part of the workspaces that may go."""

    items: list[GarbageItem]
    next_cursor: str | None


class GarbageRequest(Document):
    """Which workspaces are removed: those of these traces."""

    trace_ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=500)


class KeptWorkspace(Document):
    """A workspace that was not removed, and why."""

    trace_id: str
    reason: str


class GarbageRemoval(Document):
    """What was removed, and what was not."""

    removed: list[GarbageItem]
    kept: list[KeptWorkspace]
    bytes: int = Field(description="What the removed ones held.")


# Settings


class Setting(Document):
    """One runtime setting."""

    value: bool | int | str
    default: bool | int | str
    source: Literal["default", "environment", "database"]
    description: str
    updated_at: datetime | None
    updated_by: str | None


class Settings(Document):
    """All runtime settings. The version grows with every change; it is also the ETag."""

    version: int
    settings: dict[str, Setting]


def _change_fields() -> dict[str, Any]:
    """The fields of the settings, none of them required; a factory leaves no `null` in the schema as default."""
    return {
        name: (
            Annotated[field.annotation, *field.metadata, Field(description=field.description)],
            Field(default_factory=lambda: None),
        )
        for name, field in SystemSettings.model_fields.items()
    }


SettingsChanges = create_model(
    "SettingsChanges",
    __config__=ConfigDict(extra="forbid", strict=True),
    __doc__="The settings to change; those that are left out stay as they are.",
    **_change_fields(),
)


class AuditEntry(Document):
    """One change of one setting."""

    id: int
    key: str
    old_value: bool | int | str | None
    new_value: bool | int | str | None
    changed_at: datetime
    changed_by: str


class AuditPage(Document):
    """A part of the changes, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


# Health


def _health_model(record: type[Any], **replaced: Any) -> Any:
    hints = {**get_type_hints(record), **replaced}
    described: dict[str, Any] = {field.name: (hints[field.name], ...) for field in fields(record)}
    return create_model(record.__name__, __base__=Document, __doc__=record.__doc__, **described)


_Writer = _health_model(health.WriterHealth, last_flush_at=datetime | None)
_Alert = _health_model(alerts.Alert, raised_at=datetime, cleared_at=None)
Health = _health_model(health.Health, writer=_Writer, alerts=list[_Alert])  # type: ignore[valid-type]  # made from the record, too


# Forms


class SignInForm(BaseModel):
    """What the sign-in page sends."""

    token: str = Field(max_length=1024)
    next: str = Field("/", max_length=4096)
