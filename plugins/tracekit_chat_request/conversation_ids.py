"""Which conversation a request belongs to, and which message it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["client_message_id", "message_id", "session_id"]

_SESSION = (
    *("sessionId", "session_id", "conversationId", "conversation_id"),
    *("threadId", "thread_id", "chatId", "chat_id"),
)
_MESSAGE = ("messageId", "message_id")
_CLIENT_MESSAGE = ("clientMessageId", "client_message_id")

# Objects in which formats keep what is the app's own: OpenAI and Anthropic, LangGraph and LangServe, AG-UI, AI SDK 4.
_NESTED = ("metadata", "configurable", "config", "forwardedProps", "data")

# LangGraph server: /threads/{thread_id}/runs/stream
_THREAD_PATH = re.compile(r"/threads/([^/]{1,256})/")


def session_id(body: dict[str, Any], path: str) -> str | None:
    """The id of the conversation."""
    named = _first(body, _SESSION) or _conversation(body.get("conversation"))
    if named is None and _is_ui_chat(body):
        named = _id(body.get("id"))
    if named is None and (match := _THREAD_PATH.search(path)):
        named = match[1]
    return named


def message_id(body: dict[str, Any]) -> str | None:
    """The id of the message that is asked for, or answered."""
    return _first(body, _MESSAGE)


def client_message_id(body: dict[str, Any]) -> str | None:
    """The id that the client has made up for its message."""
    return _first(body, _CLIENT_MESSAGE)


def _first(body: dict[str, Any], names: Sequence[str]) -> str | None:
    for place in _places(body):
        for name in names:
            if (found := _id(place.get(name))) is not None:
                return found
    return None


def _places(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body, then the objects in it that may hold ids, two levels deep: `config.configurable.thread_id`."""
    yield body
    for name in _NESTED:
        if isinstance(inner := body.get(name), dict):
            yield inner
            yield from (deeper for name in _NESTED if isinstance(deeper := inner.get(name), dict))


def _conversation(value: object) -> str | None:
    """OpenAI's `conversation` is an id, or an object that has one. Elsewhere it may be the whole conversation."""
    named = _id(value.get("id") if isinstance(value, dict) else value)
    return None if named is None or any(map(str.isspace, named)) else named


def _id(value: object) -> str | None:
    """A value that can be an id, as text."""
    if isinstance(value, str):
        return value.strip()[:256] or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64 else None


def _is_ui_chat(body: dict[str, Any]) -> bool:
    """Whether `id` is that of a chat: the AI SDK's `useChat` sends it beside its messages, each of which has an id."""
    if "trigger" in body and ("messages" in body or "message" in body):
        return True
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else body.get("message")
    return isinstance(last, dict) and ("parts" in last or "id" in last) and "role" in last
