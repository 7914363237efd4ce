"""One event in a few words. Payloads are recorded, so any field may be of any type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from tracekit import json_text
from tracekit.endings import ending_text
from tracekit.human_units import counted, duration_text, size_text
from tracekit.store.records import EventRecord
from tracekit.types import EventType
from tracekit_exporters.frame_text import frame_content, frame_words

__all__ = ["describe", "loss_cause"]

# More of a value than a line can show is not worth the copying.
_LONGEST_VALUE = 300

_CAUSES = {"max_events": "limit of events per trace"}


def describe(event: EventRecord, framing: str | None = None) -> str:
    """What an event was; neither escaped nor cut to a width, but never much longer than a line."""
    if event.raw is not None:
        return _frame(event, event.raw, framing)
    payload = event.payload or {}
    said = _shortened(payload) or _SPECIAL.get(event.event_type, _pairs)(payload)
    return f"[{event.phase[:40]}] {said}" if event.phase else said


def _shortened(payload: Mapping[str, Any]) -> str:
    """A payload that was too long to be stored whole."""
    cut, beginning = payload.get("cut"), payload.get("beginning")
    if not isinstance(cut, dict) or not isinstance(beginning, str):
        return ""
    length = cut.get("length")
    return _joined(f"[cut, {size_text(length)}]" if _is_count(length) else "[cut]", beginning[:_LONGEST_VALUE])


def _frame(event: EventRecord, raw: bytes, framing: str | None) -> str:
    name, content = frame_content(raw[: 4 * _LONGEST_VALUE], framing)
    size = f"{len(raw):>6,} B" if event.cut is None else f"{len(raw):>6,} B of {event.cut.length:,} B"
    marks = "" if event.cut is None else " [redacted]" if event.cut.sha256 is None else " [cut]"
    partial = " [stream ended inside this frame]" if event.payload and event.payload.get("partial") else ""
    words = frame_words(raw, framing) if content.startswith(("{", "[")) else ""
    said = _joined(name[:60] if name else "", f"“{words[:60]}”" if words else "", content[:_LONGEST_VALUE])
    return f"{size}{marks}{partial}  {said}"


def _request(payload: Mapping[str, Any]) -> str:
    size = payload.get("body_bytes")
    body = f"{size_text(size)} body" if _is_count(size) else ""
    return _joined(_words(payload, "method", "path"), body, _pairs(payload, without=("method", "path", "body_bytes")))


def _response(payload: Mapping[str, Any]) -> str:
    known = ("status", "http_status", "content_type")
    return _joined(_words(payload, *known), _pairs(payload, without=known))


def _error(payload: Mapping[str, Any]) -> str:
    kind, message = payload.get("type"), payload.get("message")
    if not isinstance(kind, str) and not isinstance(message, str):
        return _pairs(payload)
    return ": ".join(_value(part) for part in (kind, message) if part not in (None, ""))


def _tool(payload: Mapping[str, Any]) -> str:
    outcome = [f"→ {_value(payload[key])}" for key in ("result", "error") if payload.get(key) is not None]
    arguments = [_value(payload["arguments"])] if "arguments" in payload and not outcome else []
    spent = payload.get("duration_us")
    took = f"in {duration_text(spent)}" if _is_count(spent) else ""
    called = f"({_value(payload['id'])[:40]})" if payload.get("id") is not None else ""
    return _joined(_words(payload, "name"), called, took, *arguments, *outcome)


def _finished(payload: Mapping[str, Any]) -> str:
    reason = payload.get("end_reason")
    said = ending_text("", reason) if isinstance(reason, str) else ""
    return _joined(said, _pairs(payload, without=("end_reason",)))


def _silence(payload: Mapping[str, Any]) -> str:
    spent = payload.get("silence_us")
    said = f"after {duration_text(spent)} of silence" if _is_count(spent) else ""
    return _joined(said, _pairs(payload, without=("silence_us",) if said else ()))


def _lost(payload: Mapping[str, Any]) -> str:
    counts = (("events", "event"), ("messages", "body message"))
    lost = [counted(count, noun) for key, noun in counts if _is_count(count := payload.get(key))]
    size = payload.get("bytes")
    lost += [f"({size_text(size)})"] if _is_count(size) else []
    cause = loss_cause(payload)
    return _joined(*lost) + (f": {cause}" if cause else "") if lost else _pairs(payload)


def loss_cause(payload: Mapping[str, Any]) -> str | None:
    """Why something was not stored, as a `trace.truncated` event tells it."""
    reason = payload.get("reason")
    return _CAUSES.get(reason, reason[:60].replace("_", " ")) if isinstance(reason, str) else None


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _words(payload: Mapping[str, Any], *keys: str) -> str:
    return " ".join(_value(payload[key]) for key in keys if payload.get(key) not in (None, ""))


def _pairs(payload: Mapping[str, Any], without: tuple[str, ...] = ()) -> str:
    pairs, length = [], 0
    for key, value in payload.items():
        if key in without or value in (None, ""):
            continue
        pairs.append(f"{key[:60]}={_value(value)}")
        length += len(pairs[-1])
        if length > _LONGEST_VALUE:
            break
    return " ".join(pairs)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json_text.encode(value)
    return text[:_LONGEST_VALUE]


_SPECIAL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    EventType.REQUEST_RECEIVED: _request,
    EventType.RESPONSE_STARTED: _response,
    EventType.ERROR: _error,
    EventType.STREAM_ERROR: _error,
    EventType.STREAM_IDLE: _silence,
    EventType.STREAM_RESUMED: _silence,
    EventType.TOOL_STARTED: _tool,
    EventType.TOOL_ARGUMENTS: _tool,
    EventType.TOOL_FINISHED: _tool,
    EventType.TOOL_FAILED: _tool,
    EventType.TRACE_TRUNCATED: _lost,
    EventType.TRACE_FINISHED: _finished,
}
