"""Which streams are Cohere's."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.decoding import Claim, Frame, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit_cohere.chat_v1 import ChatV1Decoder
from tracekit_cohere.chat_v2 import ChatV2Decoder

__all__ = ["tracekit_stream_decoder"]

_V2_TYPES = frozenset({
    "message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta",
    "citation-start", "message-end",
})  # fmt: skip
_V1_TYPES = frozenset({
    "stream-start", "text-generation", "search-queries-generation", "search-results", "citation-generation",
    "tool-calls-generation", "tool-calls-chunk", "stream-end",
})  # fmt: skip


@hookimpl
def tracekit_stream_decoder(frames: Sequence[Frame]) -> Claim | None:
    """Claims a stream by the type of its events and by the envelope that they come in."""
    claims = [claim for frame in frames if (claim := _claim(frame))]
    return max(claims, key=lambda claim: claim.certainty, default=None)


def _claim(frame: Frame) -> Claim | None:
    try:
        event = frame.object
    except Unreadable:
        return None
    kind, delta = event.get("type"), event.get("delta")
    if isinstance(kind, str) and kind in _V2_TYPES and isinstance(delta, dict):
        certain = isinstance(delta.get("message"), dict) or kind == "message-end"
        return Claim(0.95 if certain else 0.5, ChatV2Decoder)
    kind = event.get("event_type")
    if isinstance(kind, str) and kind in _V1_TYPES:
        return Claim(0.95, ChatV1Decoder)
    return None
