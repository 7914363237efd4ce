"""The messages of a live stream, as server-sent events."""

from __future__ import annotations

from typing import Any

from tracekit import json_text
from tracekit.live import LiveEnd

__all__ = ["OPENING", "end_message", "message"]

OPENING = b": tracekit\nretry: 1000\n\n"
"""The first bytes go at once, so that a proxy passes the head on; a reader that lost its connection comes back soon."""


def message(name: str, document: Any, seq: int | None = None) -> bytes:
    """One server-sent event. JSON has no line end of its own, so whatever was recorded stays on one line."""
    head = f"event: {name}\n" if seq is None else f"id: {seq}\nevent: {name}\n"
    return b"%sdata: %s\n\n" % (head.encode(), json_text.encode_bytes(document))


def end_message(trace_id: str, end: LiveEnd, **more: int) -> bytes:
    """The last message of a trace: how it stood in the end, or that it was deleted; and what `more` there is to say."""
    state = end.state
    document = {
        "trace_id": trace_id,
        "deleted": state is None,
        "status": None if state is None else state.status,
        "end_reason": None if state is None else state.end_reason,
        "reason_code": None if state is None else state.reason_code,
        "duration_ms": None if state is None else state.duration_ms,
        "last_seq": None if state is None else state.last_seq,
    }
    return message("end", document | more)
