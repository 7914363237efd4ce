"""Which streams are Anthropic's."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.decoding import Claim, Frame, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit_anthropic.messages import MessagesDecoder

__all__ = ["tracekit_stream_decoder"]

# What each event carries besides its type; together the two could hardly be of another format.
_CARRIES = {
    "message_start": ("message", dict),
    "content_block_start": ("content_block", dict),
    "content_block_delta": ("delta", dict),
    "message_delta": ("delta", dict),
    "completion": ("completion", str),
}


@hookimpl
def tracekit_stream_decoder(frames: Sequence[Frame]) -> Claim | None:
    """Claims a stream by the type of its events, wherever it begins."""
    certainty = max(map(_certainty, frames), default=0.0)
    return Claim(certainty, MessagesDecoder) if certainty else None


def _certainty(frame: Frame) -> float:
    try:
        event = frame.object
    except Unreadable:
        return 0.0
    kind = event.get("type")
    if not isinstance(kind, str):
        return 0.0
    if kind == "error":
        return 0.5 if _is_error(event.get("error")) else 0.0
    name, expected = _CARRIES.get(kind, ("", dict))
    return 0.95 if isinstance(event.get(name), expected) else 0.0


def _is_error(error: object) -> bool:
    return isinstance(error, dict) and str(error.get("type")).endswith("_error")
