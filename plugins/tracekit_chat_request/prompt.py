"""The last thing the user said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracekit_chat_request.content import content_text
from tracekit_chat_request.messages import last_user_text, message_list

__all__ = ["prompt"]

# Where apps and completion APIs keep a single question, the surest name first.
_NAMES = (
    *("message", "prompt", "question", "query", "input", "inputs", "text", "content"),
    *("user_input", "userInput", "user_message", "userMessage", "q", "msg"),
)


def prompt(body: dict[str, Any]) -> str | None:
    """The prompt of a request. A message that stands alone (Cohere v1, AI SDK) goes before the history beside it."""
    alone = body.get("message")
    if isinstance(alone, str | dict) and (text := _single(alone).strip()):
        return text
    return last_user_text(message_list(body)) or next(_singles(body), None)


def _singles(body: dict[str, Any]) -> Iterator[str]:
    """Questions under one of the names, at the top; then inside `input` (LangServe) and `inputs`."""
    for place in (body, body.get("input"), body.get("inputs")):
        if isinstance(place, dict):
            yield from filter(None, (_single(place[name]).strip() for name in _NAMES if name in place))


def _single(value: Any) -> str:
    """A question: text, a message, or (OpenAI completions) a list of texts."""
    if isinstance(value, dict):
        return next(filter(None, (content_text(value.get(key)) for key in ("content", "parts", "text"))), "")
    if isinstance(value, list):
        return "\n".join(value) if all(isinstance(text, str) for text in value) else ""
    return value if isinstance(value, str) else ""
