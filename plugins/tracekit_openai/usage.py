"""Token counts of OpenAI and its dialects under common names."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

__all__ = ["token_counts"]

# Common name, the names that Chat Completions and Responses use for it, and where dialects put it.
_PLACES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("input_tokens", (("prompt_tokens",), ("input_tokens",))),
    ("output_tokens", (("completion_tokens",), ("output_tokens",))),
    ("total_tokens", (("total_tokens",),)),
    (
        "reasoning_tokens",
        (
            ("completion_tokens_details", "reasoning_tokens"),
            ("output_tokens_details", "reasoning_tokens"),
            ("reasoning_tokens",),  # Perplexity
        ),
    ),
    (
        "cached_input_tokens",
        (
            ("prompt_tokens_details", "cached_tokens"),
            ("input_tokens_details", "cached_tokens"),
            ("prompt_cache_hit_tokens",),  # DeepSeek
            ("cached_tokens",),  # Moonshot, Together
        ),
    ),
)


def token_counts(usage: Any) -> dict[str, int | float]:
    """The counts that a `usage` object states; empty where it states none, or is no object."""
    if not isinstance(usage, dict):
        return {}
    counts = {}
    for name, places in _PLACES:
        for place in places:
            count = _at(usage, place)
            if count is not None:
                counts[name] = count
                break
    return counts


def _at(usage: Mapping[str, Any], place: tuple[str, ...]) -> int | float | None:
    value: Any = usage
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
