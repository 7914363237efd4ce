"""One LangChain message as JSON: what kind it is, and what its members say. Nothing here remembers anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from tracekit.decoding import Usage

__all__ = [
    "Kind",
    "content_text",
    "finish_reason",
    "kind_of",
    "message_id",
    "model_name",
    "tells_more_than_provider",
    "text_member",
    "token_counts",
    "unwrapped",
]

Message = Mapping[str, Any]


class Kind(Enum):
    """Who speaks, and whether the message is a piece of one or whole."""

    CHUNK = "chunk"
    AI = "ai"
    TOOL = "tool"
    HUMAN = "human"


_KINDS = {
    "AIMessageChunk": Kind.CHUNK,
    "ai": Kind.AI,
    "AIMessage": Kind.AI,
    "assistant": Kind.AI,
    "tool": Kind.TOOL,
    "ToolMessage": Kind.TOOL,
    "ToolMessageChunk": Kind.TOOL,
    "human": Kind.HUMAN,
    "user": Kind.HUMAN,
    "HumanMessage": Kind.HUMAN,
    "HumanMessageChunk": Kind.HUMAN,
}

_COUNTS = {"input_tokens": "input_tokens", "output_tokens": "output_tokens", "total_tokens": "total_tokens"}
_DETAILS = {
    "input_token_details": {
        "cache_read": "cache_read_input_tokens",
        "cache_creation": "cache_creation_input_tokens",
    },
    "output_token_details": {"reasoning": "reasoning_tokens"},
}


def unwrapped(value: Any) -> dict[str, Any] | None:
    """`value` as a message's own members: LangChain's serialised form (`lc`, `kwargs`) is opened. None where it
    is no object."""
    if not isinstance(value, dict):
        return None
    members, path = value.get("kwargs"), value.get("id")
    if value.get("type") == "constructor" and isinstance(members, dict) and isinstance(path, list) and path:
        return {**members, "type": path[-1]}
    return value


def kind_of(message: Message) -> Kind | None:
    """The kind that `type`, or else `role`, names; None for what is no message, or one that says nothing here.

    JavaScript servers call a piece `ai`, too; only pieces have `tool_call_chunks`.
    """
    word = message.get("type", message.get("role"))
    kind = _KINDS.get(word) if isinstance(word, str) else None
    return Kind.CHUNK if kind is Kind.AI and "tool_call_chunks" in message else kind


def text_member(members: Message, *names: str) -> str | None:
    """The first of the members `names` that is text and not empty."""
    for name in names:
        value = members.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def message_id(message: Message) -> str | None:
    """The message's own id."""
    identifier = message.get("id")
    return identifier if isinstance(identifier, str) else None


def content_text(message: Message) -> tuple[str, str]:
    """Text and reasoning of a message. Content is text, or a list of text and typed parts."""
    content = message.get("content")
    if isinstance(content, str):
        text, reasoning = content, ""
    elif isinstance(content, list):
        text = "".join(_texts(content))
        reasoning = "".join(_thoughts(content))
    else:
        text = reasoning = ""
    extra = message.get("additional_kwargs")
    if not reasoning and extra and isinstance(extra, dict):
        reasoning = text_member(extra, "reasoning_content") or ""
    return text, reasoning


def _texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type", "text") in ("text", "output_text"):
            yield text_member(part, "text") or ""


def _thoughts(parts: list[Any]) -> Iterator[str]:
    """Anthropic has `thinking`, LangChain's own blocks `reasoning`, OpenAI `summary`, Bedrock `reasoning_content`."""
    for part in parts:
        if not isinstance(part, dict):
            continue
        yield text_member(part, "thinking", "reasoning") or ""
        summary, nested = part.get("summary"), part.get("reasoning_content")
        for entry in [*(summary if isinstance(summary, list) else ()), nested]:
            if isinstance(entry, dict):
                yield text_member(entry, "text") or ""


def tells_more_than_provider(message: Message) -> bool:
    """Whether `response_metadata` holds more than the provider, which LangChain 1 repeats in every piece."""
    metadata = message.get("response_metadata")
    return isinstance(metadata, dict) and len(metadata) > ("model_provider" in metadata)


def finish_reason(message: Message) -> str | None:
    """The provider's word for why the message ended, under whichever name its integration keeps it."""
    metadata = message.get("response_metadata")
    if not metadata or not isinstance(metadata, dict):
        return None
    return text_member(metadata, "finish_reason", "stop_reason", "stopReason", "done_reason")


def model_name(message: Message) -> str | None:
    """The model that answered."""
    metadata = message.get("response_metadata")
    if not metadata or not isinstance(metadata, dict):
        return None
    return text_member(metadata, "model_name", "model", "model_id")


def token_counts(message: Message) -> dict[str, int | float]:
    """The counts of `usage_metadata` under their common names."""
    usage = message.get("usage_metadata")
    if not isinstance(usage, dict):
        return {}
    told = [Usage.renamed(usage, _COUNTS)]
    told += [Usage.renamed(usage.get(name), names) for name, names in _DETAILS.items()]
    return {name: count for each in told for name, count in each.counts.items() if count is not None}
