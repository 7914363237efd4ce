"""Reading members of events that nobody has vetted. Python servers write snake_case, the rest camelCase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracekit.decoding import Unreadable, Usage

__all__ = ["message_id", "message_text", "required_text", "text_member", "token_counts", "tool_call_id"]

_COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "reasoningTokens": "reasoning_tokens",
    "cachedInputTokens": "cached_input_tokens",
    "cacheWriteInputTokens": "cache_creation_input_tokens",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cache_write_input_tokens": "cache_creation_input_tokens",
}


def text_member(event: Mapping[str, Any], *names: str) -> str | None:
    """The first of the members `names` that is text and not empty."""
    for name in names:
        value = event.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def required_text(event: Mapping[str, Any], name: str) -> str:
    """The text under `name`, which may be empty.

    Raises:
        Unreadable: it is missing or no text.
    """
    value = event.get(name)
    if isinstance(value, str):
        return value
    raise Unreadable(f"{name} is no text")


def message_id(event: Mapping[str, Any]) -> str | None:
    """The message that the event belongs to."""
    return text_member(event, "messageId", "message_id")


def tool_call_id(event: Mapping[str, Any]) -> str | None:
    """The tool call that the event or message belongs to."""
    return text_member(event, "toolCallId", "tool_call_id")


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a whole message, whose content is text or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for text in parts if isinstance(text, str))


def token_counts(entries: Any) -> Usage:
    """The counts of a `usage` list, which has an entry for each model, summed under their common names."""
    totals: dict[str, int | float | None] = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        for name, count in Usage.renamed(entry, _COUNTS).counts.items():
            totals[name] = (totals.get(name) or 0) + (count or 0)
    # Once more, for a sum may be too large where its parts were not.
    return Usage.renamed(totals, {name: name for name in totals})
