"""The content of a message as text: a string, or a list of parts of any vendor's making."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["content_text"]

# Parts that only a machine reads: what a tool answered, what it was asked, what the model thought.
_SILENT = ("tool", "function", "reasoning", "thinking", "redacted", "step", "source", "data-", "cache")
_TEXT_KEYS = ("text", "content", "input_text", "value")
_KINDS_BY_KEY = {
    "image_url": "image",
    "image": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "input_file": "file",
    "file": "file",
    "fileData": "file",
    "file_data": "file",
    "document": "document",
    "video": "video",
}
_MEDIA_KINDS = frozenset({"image", "audio", "video"})
_MOST_PARTS = 1_000


def content_text(content: Any) -> str:
    """The words of a content, in order; whatever is no text stands as `[image]`, `[audio]`, `[file]`."""
    if isinstance(content, str):
        return content
    parts = content[:_MOST_PARTS] if isinstance(content, list) else [content]
    return "\n".join(filter(None, map(_part_text, parts)))


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    kind = part.get("type", part.get("kind"))
    kind = kind if isinstance(kind, str) else ""
    if kind.startswith(_SILENT) or "functionResponse" in part or "functionCall" in part:
        return ""
    return next((part[key] for key in _TEXT_KEYS if isinstance(part.get(key), str)), None) or _marked(kind, part)


def _marked(kind: str, part: dict[str, Any]) -> str:
    media = next(_media_kinds(part), "")
    named = media or _KINDS_BY_KEY.get(kind) or next((_KINDS_BY_KEY[key] for key in part if key in _KINDS_BY_KEY), "")
    return f"[{named}]" if named else ""


def _media_kinds(part: dict[str, Any]) -> Iterator[str]:
    """What a media type says: of the part itself (AI SDK), of Gemini's inline data, of Anthropic's source."""
    for place in (part, part.get("inlineData"), part.get("inline_data"), part.get("fileData"), part.get("source")):
        if isinstance(place, dict):
            for name in ("mediaType", "mimeType", "mime_type", "media_type", "contentType"):
                if isinstance(media_type := place.get(name), str):
                    family = media_type.partition("/")[0].lower()
                    yield family if family in _MEDIA_KINDS else "file"
