"""Reading members of parts that nobody has vetted: a wrong type makes the frame unreadable, never a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracekit.decoding import Unreadable, Usage

__all__ = ["optional_text", "required_text", "token_counts"]

_COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "reasoningTokens": "reasoning_tokens",
    "cachedInputTokens": "cached_input_tokens",
    "promptTokens": "input_tokens",
    "completionTokens": "output_tokens",
}
_DETAILS = {
    "inputTokenDetails": {
        "cacheReadTokens": "cache_read_input_tokens",
        "cacheWriteTokens": "cache_creation_input_tokens",
    },
    "outputTokenDetails": {"reasoningTokens": "reasoning_tokens"},
}


def required_text(part: Mapping[str, Any], name: str) -> str:
    """The text under `name`.

    Raises:
        Unreadable: it is missing or no text.
    """
    value = part.get(name)
    if isinstance(value, str):
        return value
    raise Unreadable(f"{name} is no text")


def optional_text(part: Mapping[str, Any], name: str) -> str | None:
    """The text under `name`, None where there is none."""
    value = part.get(name)
    return value if isinstance(value, str) else None


def token_counts(usage: Any) -> Usage:
    """The counts of an AI SDK usage object under their common names; what is not counted (null) is left out."""
    counts = {**Usage.renamed(usage, _COUNTS).counts}
    for name, names in _DETAILS.items() if isinstance(usage, dict) else ():
        counts.update(Usage.renamed(usage.get(name), names).counts)
    return Usage(counts)
