"""Events of Anthropic's streams, for tests that write their own."""

from __future__ import annotations

import json
from typing import Any

from stream_corpus import decode_body

import tracekit_anthropic
from tracekit.transcript import Summary

START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 9, "output_tokens": 1}},
}
TEXT: dict[str, Any] = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
STOP: dict[str, Any] = {"type": "message_stop"}


def delta(index: int, **body: Any) -> dict[str, Any]:
    """A content_block_delta."""
    return {"type": "content_block_delta", "index": index, "delta": body}


def text(piece: str, index: int = 0) -> dict[str, Any]:
    """A piece of text."""
    return delta(index, type="text_delta", text=piece)


def block(index: int, **content: Any) -> dict[str, Any]:
    """A content_block_start."""
    return {"type": "content_block_start", "index": index, "content_block": content}


def end_of_block(index: int) -> dict[str, Any]:
    """A content_block_stop."""
    return {"type": "content_block_stop", "index": index}


def ending(**body: Any) -> dict[str, Any]:
    """A message_delta."""
    return {"type": "message_delta", "delta": body, "usage": {"output_tokens": 7}}


def sse(*events: dict[str, Any]) -> bytes:
    """Events as Anthropic sends them."""
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def decoded(*events: dict[str, Any]) -> Summary:
    """What the plugin makes of a stream of these events."""
    return decode_body(tracekit_anthropic, sse(*events))
