"""Payloads held to `task_trace_payload_max_length`. What is cut tells the length and SHA-256 of the whole.

The beginning of a cut payload is JSON inside JSON, so escapes may double it; half of the room is always enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tracekit import json_text

__all__ = ["HeldPayload", "held", "held_step", "is_cut"]

# What the length and the hash take themselves.
_CUT_FACTS = 200

# What tells of a step (a span, an artifact) and is short by nature, and what may be of any length. The facts of a cut
# payload stay: without them nobody could say which step it was, or how it ended.
_FACTS = (
    "step_name", "layer", "kind", "parent_span_id", "status", "reason_code", "reason_class", "duration_us", "by",
    "name", "media_type", "size", "sha256", "tool_call_id", "said_by",
)  # fmt: skip
_LONG = ("input", "output", "error", "reason", "progress", "uri", "advice")
_MOST_FACT = 256

_SMALL = (int, float, bool, type(None))


class HeldPayload(NamedTuple):
    """A payload within the limit, as JSON text."""

    text: str
    cut: bool


def held(text: str, most: int) -> HeldPayload:
    """A payload, as JSON text, of at most `most` bytes."""
    if len(text) <= most and (text.isascii() or len(text.encode()) <= most):
        return HeldPayload(text, cut=False)
    whole = text.encode()
    beginning = whole[: max(0, most // 2 - _CUT_FACTS)].decode("utf-8", "ignore")
    return HeldPayload(json_text.encode({"cut": _measured(whole), "beginning": beginning}), cut=True)


def held_step(payload: dict[str, Any], most: int) -> tuple[dict[str, Any], HeldPayload]:
    """The payload of an event that tells of a step: its facts as they are, of what is long the beginning, so that all
    of it has about `most` bytes."""
    text = json_text.encode(payload)
    if len(text) <= most and (text.isascii() or len(text.encode()) <= most):
        return payload, HeldPayload(text, cut=False)
    kept = {name: _fact(payload[name]) for name in _FACTS if name in payload}
    kept |= {name: _shortened(payload[name], most // (2 * len(_LONG))) for name in _LONG if name in payload}
    kept["cut"] = _measured(text.encode())
    return kept, HeldPayload(json_text.encode(kept), cut=True)


def is_cut(payload: Any) -> bool:
    """Whether a payload is stored as what is left of a longer one."""
    cut = payload.get("cut") if isinstance(payload, Mapping) else None
    return isinstance(cut, Mapping) and cut.keys() == {"length", "sha256"}


def _measured(whole: bytes) -> dict[str, Any]:
    return {"length": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}


def _fact(value: Any) -> Any:
    return value if isinstance(value, _SMALL) else _shortened(value, _MOST_FACT)


def _shortened(value: Any, most: int) -> Any:
    """A value, or the beginning of its text."""
    text = value if isinstance(value, str) else json_text.encode(value)
    whole = text.encode("utf-8", "replace")
    if len(whole) <= most:
        return value
    return f"{whole[:most].decode('utf-8', 'ignore')}… [{len(whole):,} bytes]"
