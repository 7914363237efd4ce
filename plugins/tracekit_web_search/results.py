"""What a search found: links with titles, and text, from results of any shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tracekit import json_text

__all__ = ["found"]

# Where search APIs keep their list of results.
_LISTS = (
    *("results", "organic", "organic_results", "items", "web", "webPages", "value", "data", "sources", "hits"),
    *("search_results", "documents", "output", "content", "news", "action", "result"),
)
_LINKS = ("url", "link", "href", "uri", "source_url", "sourceUrl")
_TITLES = ("title", "name", "headline")
_TEXTS = ("snippet", "text", "content", "description", "summary", "body", "highlights", "raw_content")
_ANSWERS = ("answer", "answer_box", "answerBox", "summary")

_MOST_LINKS = 50
_MOST_TEXT = 8_000
_MOST_VISITED = 2_000
_LONGEST_LINK = 2_000
_LONGEST_TITLE = 300
_URL = re.compile(r"https?://[^\s\"'<>()\[\]{}|\\^`]{1,2000}")


def found(result: Any) -> dict[str, object]:
    """`result_count`, `links` and `text`; the count is None where the result is not known."""
    if isinstance(result, str):
        result = _parsed(result)
    if result is None:
        return {"result_count": None, "links": [], "text": ""}
    if isinstance(result, str):
        urls = (url.rstrip(".,;:!?") for url in _URL.findall(result[: _MOST_TEXT * 10]))
        links = [{"url": url} for url in dict.fromkeys(urls)]
        return {"result_count": len(links), "links": links[:_MOST_LINKS], "text": result[:_MOST_TEXT]}
    hits = list(_Walk().hits(result))
    links = list({hit["url"]: {name: hit[name] for name in ("url", "title") if hit[name]} for hit in hits}.values())
    texts = filter(None, (*_answers(result), *(hit["text"] for hit in hits)))
    return {"result_count": len(hits), "links": links[:_MOST_LINKS], "text": "\n\n".join(texts)[:_MOST_TEXT]}


def _parsed(text: str) -> Any:
    """Tools often answer with JSON as text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json_text.decode(text)
    except ValueError:
        return text


class _Walk:
    """A walk through a result, along the names under which lists of results are kept."""

    def __init__(self) -> None:
        self._left = _MOST_VISITED

    def hits(self, value: Any, depth: int = 0) -> Iterator[dict[str, str]]:
        """The results in a value: objects with a link."""
        self._left -= 1
        if self._left < 0 or depth > 6:
            return
        if isinstance(value, list):
            for part in value:
                yield from self.hits(part, depth + 1)
        elif isinstance(value, dict):
            if link := _text(value, _LINKS):
                yield _hit(value, link)
            else:
                for name in _LISTS:
                    yield from self.hits(value.get(name), depth + 1)
        elif isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            yield from self.hits(_parsed(value) if depth < 3 else None, depth + 1)


def _hit(value: dict[str, Any], link: str) -> dict[str, str]:
    return {
        "url": link[:_LONGEST_LINK],
        "title": _text(value, _TITLES)[:_LONGEST_TITLE],
        "text": _text(value, _TEXTS)[:_MOST_TEXT],
    }


def _text(value: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        part = value.get(name)
        if isinstance(part, list):
            part = "\n".join(text for text in part[:20] if isinstance(text, str))
        if isinstance(part, str) and part.strip():
            return part.strip()
    return ""


def _answers(result: Any) -> Iterator[str]:
    """Answers that search services give besides results."""
    if isinstance(result, dict):
        for name in _ANSWERS:
            answer = result.get(name)
            yield answer if isinstance(answer, str) else _text(answer, _TEXTS) if isinstance(answer, dict) else ""
