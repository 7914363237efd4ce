"""Where a request keeps its messages, and who says what in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracekit_chat_request.content import content_text

__all__ = ["last_user_text", "message_list", "system_text"]

# OpenAI, Anthropic, Cohere, Ollama, AI SDK and AG-UI say `messages`, Gemini `contents`, Responses `input`.
_LISTS = ("messages", "contents", "input", "history", "chat_history")
_USERS = frozenset({"user", "human"})
_SYSTEMS = frozenset({"system", "developer"})
_CONTENT_KEYS = ("content", "parts", "text", "message")


def message_list(body: dict[str, Any]) -> list[Any]:
    """The messages of a body, the oldest first; empty where it has none. LangGraph keeps them in its `input`."""
    inner = body.get("input")
    for place in (body, inner if isinstance(inner, dict) else {}):
        for name in _LISTS:
            if isinstance(found := place.get(name), list) and found:
                return found
    return []


def last_user_text(messages: list[Any]) -> str | None:
    """The last thing a user said in words. A message that only brings a tool's answer is the machine's."""
    for message in reversed(messages):
        if _role(message) in _USERS and (text := _text(message).strip()):
            return text
    return None


def system_text(messages: list[Any]) -> str:
    """What the system and developer messages say."""
    return "\n".join(filter(None, (_text(message) for message in messages if _role(message) in _SYSTEMS)))


def _role(message: Any) -> str:
    """Who speaks. LangChain's pairs begin with the role; Gemini's contents may leave out that they are the user's."""
    if isinstance(message, list | tuple):
        return message[0].lower() if len(message) == 2 and isinstance(message[0], str) else ""
    if not isinstance(message, dict):
        return ""
    spoken = [word for word in _role_words(message) if isinstance(word, str)]
    if not spoken and "parts" in message:
        return "user"
    return spoken[0].lower() if spoken else ""


def _role_words(message: dict[str, Any]) -> Iterator[Any]:
    yield message.get("role")
    yield None if message.get("type") == "message" else message.get("type")
    yield message.get("sender")


def _text(message: Any) -> str:
    if isinstance(message, list | tuple):
        return content_text(message[1])
    for key in _CONTENT_KEYS:
        if text := content_text(message.get(key)):
            return text
    kwargs = message.get("kwargs")
    return content_text(kwargs.get("content")) if isinstance(kwargs, dict) else ""
