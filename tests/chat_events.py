"""Events of a made-up chat, in a format that is recognised at its first frame: OpenAI chat completion chunks."""

from __future__ import annotations

import json
from typing import Any


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """One chunk."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    data = {"id": "c", "object": "chat.completion.chunk", "model": "test-model", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n".encode()


def event(number: int) -> bytes:
    """A chunk with a number for its text."""
    return chunk({"content": f"{number} "})


def events(count: int) -> bytes:
    """So many numbered chunks."""
    return b"".join(map(event, range(count)))


DONE = chunk({}, "stop") + b"data: [DONE]\n\n"
"""The end of a chat."""

USAGE = (
    b'data: {"id": "c", "object": "chat.completion.chunk", "choices": [], '
    b'"usage": {"prompt_tokens": 5, "completion_tokens": 7}}\n\n'
)
"""A count of tokens, which comes last: 5 in, 7 out."""

FAILURE = b'data: {"error": {"message": "the model is overloaded", "type": "server_error", "code": "overloaded"}}\n\n'
"""An error inside the stream."""
