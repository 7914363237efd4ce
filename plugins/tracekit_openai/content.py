"""Text inside message content: a string, or a list of typed parts whose shapes differ between providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracekit.decoding import Fact, Reasoning, Refusal, Text

__all__ = ["content_facts", "reasoning_text"]

# Where a part of reasoning keeps its words: Mistral `thinking`, Databricks and OpenRouter `summary`, others `text`.
_REASONING_KEYS = ("text", "thinking", "summary", "content", "reasoning")
_REASONING_TYPES = frozenset({"thinking", "reasoning", "reasoning_text", "reasoning.text", "reasoning.summary"})


def content_facts(content: Any, choice: int) -> Iterator[Fact]:
    """The facts of message content that is more than a string. Parts that are no words (references, images) give
    none."""
    for part in content if isinstance(content, list) else (content,):
        if isinstance(part, str):
            if part:
                yield Text(part, None, choice)
        elif isinstance(part, dict):
            yield from _part_facts(part, choice)


def _part_facts(part: dict[str, Any], choice: int) -> Iterator[Fact]:
    kind = part.get("type")
    if isinstance(kind, str) and kind in _REASONING_TYPES:
        if words := reasoning_text(part):
            yield Reasoning(words, None, choice)
    elif kind == "refusal":
        if words := _string(part.get("refusal")):
            yield Refusal(words)
    elif words := _string(part.get("text")):
        yield Text(words, None, choice)


def reasoning_text(value: Any) -> str:
    """The words in a delta's reasoning: a string, an object, or a list of objects. What is redacted or encrypted
    has none."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else (value,)
    return "".join(_words(part) for part in parts)


def _words(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    for key in _REASONING_KEYS:
        value = part.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list):
            return "".join(_string(inner.get("text")) for inner in value if isinstance(inner, dict))
    return ""


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
