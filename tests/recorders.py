"""Recorders for tests: switched on, ready, and closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tracekit import Recorder
from tracekit.store import EventRecord, TraceRecord

EVERYTHING: Mapping[str, Any] = {
    "task_trace_enabled": True,
    "task_trace_default_on": True,
    "task_trace_admin_only": False,
    "task_trace_flush_interval_ms": 20,
    "task_trace_retention_days": 0,
}
"""Settings under which every stream is recorded, and traces are kept that tests write as of long ago."""

ENVIRONMENT: Mapping[str, str] = {
    "TASK_TRACE_ENABLED": "1",
    "TASK_TRACE_DEFAULT_ON": "1",
    "TASK_TRACE_ADMIN_ONLY": "0",
    "TRACEKIT_PLUGINS_OFF": "redact",
}
"""The same for a process of its own."""


@contextmanager
def recording(url: str, settings: Mapping[str, Any] | None = None, **options: Any) -> Iterator[Recorder]:
    """A recorder that records everything but for what `settings` changes, and has read them.

    Nothing is redacted, so that what is stored can be compared with what was sent, byte for byte.
    """
    options.setdefault("plugins_off", "redact")
    recorder = Recorder(url, settings={**EVERYTHING, **(settings or {})}, **options)
    try:
        asyncio.run(recorder.started())
        yield recorder
    finally:
        recorder.shutdown(5)


def written(recorder: Recorder) -> None:
    """Wait until all that was captured is in the database."""
    assert recorder.flush(10).complete


def traces(recorder: Recorder) -> list[TraceRecord]:
    """All traces, the oldest first."""
    written(recorder)
    return list(recorder.store.list_traces(limit=500).items)[::-1]


def only_trace(recorder: Recorder) -> TraceRecord:
    """The trace, where there is one."""
    (trace,) = traces(recorder)
    return trace


def events(recorder: Recorder, trace_id: str) -> list[EventRecord]:
    """All events of a trace."""
    return list(recorder.store.iterate_events(trace_id))


def event_types(recorder: Recorder, trace_id: str) -> list[str]:
    """The types of all events of a trace, in order."""
    return [event.event_type for event in events(recorder, trace_id)]


def frames(recorder: Recorder, trace_id: str) -> list[bytes]:
    """The bytes of all frames and keepalives of a trace."""
    return [event.raw for event in events(recorder, trace_id) if event.raw is not None]


def body(recorder: Recorder, trace_id: str) -> bytes:
    """The response body as it is stored."""
    return b"".join(recorder.store.body(trace_id))


def payload(recorder: Recorder, trace_id: str, event_type: str) -> dict[str, Any]:
    """The payload of the only event of a type."""
    (event,) = [event for event in events(recorder, trace_id) if event.event_type == event_type]
    assert event.payload is not None
    return event.payload
