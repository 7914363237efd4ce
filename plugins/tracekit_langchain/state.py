"""Where messages stand in the state of a graph."""

from __future__ import annotations

from typing import Any

from tracekit_langchain.message import Kind, kind_of, unwrapped

__all__ = ["after_last_question", "last_question", "messages_of"]


def messages_of(state: Any) -> list[dict[str, Any]]:
    """The messages of a state or of an update to one: a list, or under `messages`; one alone counts, too."""
    found = state.get("messages") if isinstance(state, dict) else state
    entries = found if isinstance(found, list) else [found]
    return [message for entry in entries if (message := unwrapped(entry)) is not None]


def last_question(messages: list[dict[str, Any]]) -> int:
    """The place of the last message that a person wrote, -1 where there is none."""
    return max((place for place, message in enumerate(messages) if kind_of(message) is Kind.HUMAN), default=-1)


def after_last_question(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that answer the last question."""
    return messages[last_question(messages) + 1 :]
