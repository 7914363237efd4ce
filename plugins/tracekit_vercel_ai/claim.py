"""Which streams are the AI SDK's: by the header that names the protocol, or by parts that hardly stand elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracekit.decoding import Claim, Frame, StreamHead, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit.types import Framing
from tracekit_vercel_ai.data_stream import DataStreamDecoder, read_line
from tracekit_vercel_ai.ui_message import UiMessageStreamDecoder

__all__ = ["tracekit_stream_decoder"]

_NAMED, _SURE, _LIKELY, _POSSIBLE = 1.0, 0.9, 0.6, 0.4

# For each type of part, members that must be there, with their types, for the part to tell the format.
_TELLING_PARTS: dict[str, dict[str, type]] = {
    "text-start": {"id": str},
    "text-delta": {"id": str, "delta": str},
    "text-end": {"id": str},
    "reasoning-start": {"id": str},
    "reasoning-delta": {"id": str, "delta": str},
    "reasoning-end": {"id": str},
    "tool-input-start": {"toolCallId": str, "toolName": str},
    "tool-input-delta": {"toolCallId": str, "inputTextDelta": str},
    "tool-input-available": {"toolCallId": str, "toolName": str},
    "tool-input-error": {"toolCallId": str, "errorText": str},
    "tool-output-available": {"toolCallId": str},
    "tool-output-error": {"toolCallId": str, "errorText": str},
    "tool-output-denied": {"toolCallId": str},
    "tool-approval-request": {"toolCallId": str, "approvalId": str},
    "source-url": {"sourceId": str, "url": str},
    "source-document": {"sourceId": str, "mediaType": str},
    "message-metadata": {"messageMetadata": object},
    "error": {"errorText": str},
    "start-step": {},
    "finish-step": {},
}
_START_MEMBERS = {"type", "messageId", "messageMetadata"}


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claim UI message streams and data streams."""
    if "x-vercel-ai-ui-message-stream" in head.response_headers:
        return Claim(_NAMED, UiMessageStreamDecoder)
    if "x-vercel-ai-data-stream" in head.response_headers:
        # Its version 2, of the betas of AI SDK 5, was the UI message stream already.
        return Claim(_NAMED, UiMessageStreamDecoder if head.framing is Framing.SSE else DataStreamDecoder)
    if head.framing is Framing.SSE:
        certainty = max((_certainty_of_part(frame) for frame in frames), default=0.0)
        return Claim(certainty, UiMessageStreamDecoder) if certainty else None
    # Every line must fit: there is no other sign.
    certainty = min((_certainty_of_line(frame) for frame in frames), default=0.0)
    return Claim(certainty, DataStreamDecoder) if certainty else None


def _certainty_of_part(frame: Frame) -> float:
    try:
        part = frame.object
    except Unreadable:
        return 0.0
    kind = part.get("type")
    if not isinstance(kind, str):
        return 0.0
    if kind in _TELLING_PARTS:
        return _SURE if _has(part, _TELLING_PARTS[kind]) else 0.0
    if kind == "start":
        return _certainty_of_start(part)
    return _POSSIBLE if kind.startswith("data-") and "data" in part else 0.0


def _certainty_of_start(part: Mapping[str, Any]) -> float:
    if not part.keys() <= _START_MEMBERS:
        return 0.0
    return _SURE if isinstance(part.get("messageMetadata"), dict) else _LIKELY


def _has(part: Mapping[str, Any], members: Mapping[str, type]) -> bool:
    return all(name in part and isinstance(part[name], kind) for name, kind in members.items())


def _certainty_of_line(frame: Frame) -> float:
    try:
        code, value = read_line(frame.data)
    except Unreadable:
        return 0.0
    if code in b"03g":
        return _SURE if isinstance(value, str) else 0.0
    if code in b"28":
        return _SURE if isinstance(value, list) else 0.0
    return _SURE if code in b"9abcdefhijk" and isinstance(value, dict) else 0.0
