"""Records as JSON documents, as the API, the exports and the command line show them.

Field names are those of the columns; moments are ISO 8601 UTC with microseconds, offsets integer microseconds.
"""

from __future__ import annotations

import base64
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tracekit.store.records import EventRecord, TraceRecord

__all__ = ["event_document", "iso", "record_document", "trace_document"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACE_FIELDS = tuple(field.name for field in fields(TraceRecord))
_MOMENTS = ("started_at", "ended_at", "last_event_at")


def iso(microseconds: int) -> str | int:
    """A moment as `2026-11-21T03:11:05.123456Z`; one that no calendar holds stays a number."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return microseconds
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def trace_document(trace: TraceRecord) -> dict[str, Any]:
    """A trace, column by column."""
    document = {name: getattr(trace, name) for name in _TRACE_FIELDS}
    document.update({name: iso(document[name]) for name in _MOMENTS if document[name] is not None})
    return document


def record_document(record: Any) -> dict[str, Any]:
    """A record of the store as a JSON object, with the records in it. What else it holds stays as it is."""
    return {field.name: _value(field.name, getattr(record, field.name)) for field in fields(record)}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, int) and (name.endswith("_at") or name == "timestamp"):
        return iso(value)
    if isinstance(value, list | tuple):
        # All or none of them are records; what the app recorded itself is not looked into.
        return [*map(record_document, value)] if value and is_dataclass(value[0]) else list(value)
    return record_document(value) if is_dataclass(value) else value


def event_document(event: EventRecord) -> dict[str, Any]:
    """An event. The payload of a frame holds its exact bytes: as `text` where they are UTF-8, else as `base64`."""
    return {
        "seq": event.seq,
        "event_type": event.event_type,
        "timestamp": iso(event.timestamp),
        "offset_us": event.offset_us,
        "span_id": event.span_id,
        "phase": event.phase,
        "payload": event.payload if event.raw is None else _frame(event, event.raw),
    }


def _frame(event: EventRecord, raw: bytes) -> dict[str, Any]:
    payload: dict[str, Any] = {"bytes": len(raw)}
    try:
        payload["text"] = raw.decode()
    except UnicodeDecodeError:
        payload["base64"] = base64.b64encode(raw).decode()
    if event.cut is not None:
        payload["cut"] = {"length": event.cut.length, "sha256": event.cut.sha256}
    return payload | (event.payload or {})
