"""Records as the API answers them. Field names are those of the columns, moments ISO 8601 UTC with microseconds."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.responses import Response

from tracekit import json_text
from tracekit.documents import iso, trace_document
from tracekit.store.records import EventPage, EventRecord, Snapshot, TraceRecord

__all__ = ["NOT_LISTED", "encoded", "event_page", "events", "json_response", "snapshot", "trace", "trace_summary"]

NOT_LISTED = ("usage", "metadata")
"""Columns of any size, which lists leave out."""


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json_text.encode_bytes(document), status, headers, "application/json")


def trace(record: TraceRecord) -> dict[str, Any]:
    """All facts of a trace."""
    document = trace_document(record)
    return {**document, **{name: encoded(document[name]) for name in NOT_LISTED}}


def trace_summary(record: TraceRecord) -> dict[str, Any]:
    """A trace as lists show it."""
    document = trace_document(record)
    for name in NOT_LISTED:
        del document[name]
    return document


def event_page(page: EventPage) -> dict[str, Any]:
    """A part of a trace's events."""
    return {
        "events": events(page.events),
        "total": page.total,
        "has_more": page.has_more,
        "next_seq": page.next_seq,
    }


def events(records: Iterable[EventRecord]) -> list[msgspec.Raw]:
    """Events, each encoded on its own: what one of them holds that JSON does not costs the others nothing."""
    return [encoded(_event(record)) for record in records]


def snapshot(record: Snapshot) -> dict[str, Any]:
    """A trace at one moment."""
    return {
        "trace": trace(record.trace),
        "texts": asdict(record.texts),
        "open_tool_calls": [asdict(call) for call in record.open_tool_calls],
        "last_events": events(record.last_events),
        "event_counts": record.event_counts,
        "next_seq": record.next_seq,
    }


def _event(record: EventRecord) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "event_type": record.event_type,
        "timestamp": iso(record.timestamp),
        "offset_us": record.offset_us,
        "span_id": record.span_id,
        "phase": record.phase,
        "payload": record.payload if record.raw is None else _frame(record, record.raw),
    }


def _frame(record: EventRecord, raw: bytes) -> dict[str, Any]:
    """A frame with its exact bytes: as `text` where they are UTF-8, else as `base64`."""
    payload: dict[str, Any] = {"bytes": len(raw)}
    try:
        payload["text"] = raw.decode()
    except UnicodeDecodeError:
        payload["base64"] = base64.b64encode(raw).decode()
    if record.cut is not None:
        payload["cut"] = {"length": record.cut.length, "sha256": record.cut.sha256}
    return payload | (record.payload or {})


def encoded(value: Any) -> msgspec.Raw:
    """A part of a document, encoded on its own: if JSON cannot hold it, the rest of the document is none the worse."""
    return msgspec.Raw(json_text.encode_bytes(value))
