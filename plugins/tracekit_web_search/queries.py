"""What was searched for."""

from __future__ import annotations

from typing import Any

__all__ = ["queries"]

_NAMES = (
    *("query", "queries", "q", "search_query", "searchQuery", "search_queries", "searchQueries", "search_term"),
    *("searchTerm", "question", "keywords", "term", "input", "text", "action"),
)
_MOST = 20
_LONGEST = 500


def queries(arguments: Any) -> list[str]:
    """The queries of a search, as far as its arguments tell."""
    if isinstance(arguments, str):
        return [arguments.strip()[:_LONGEST]] if arguments.strip() else []
    if not isinstance(arguments, dict):
        return []
    for name in _NAMES:
        if asked := _texts(arguments.get(name)):
            return asked
    return []


def _texts(value: Any) -> list[str]:
    """One query or several: text, a list of texts, a list of objects with a query each."""
    parts = value[:_MOST] if isinstance(value, list) else [value]
    texts = [part.get("query", part.get("q")) if isinstance(part, dict) else part for part in parts]
    return [text.strip()[:_LONGEST] for text in texts if isinstance(text, str) and text.strip()]
