"""What a frame says, guessed without its decoder: good enough for the first words of a line in a timeline.

The decoded conversation stands in a section of its own; here nothing depends on any format.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from tracekit import json_text
from tracekit.sse import parse_fields
from tracekit.types import Framing

__all__ = ["frame_content", "frame_words"]

# Names under which streams carry the text of an answer or its thinking.
_TEXT_KEYS = frozenset(
    {"answer", "content", "delta", "output_text", "partial_json", "reasoning", "reasoning_content", "response", "text"}
    | {"thinking", "token", "value"}
)
# A frame this long is no piece of text, and a search through more values than that is not worth a few words.
_LONGEST_PARSED = 20_000
_MOST_VALUES = 200


def frame_content(raw: bytes, framing: str | None) -> tuple[str | None, str]:
    """The event name and the payload of a frame as text. Bytes that are not UTF-8 become `\\xff`."""
    if framing != Framing.SSE:
        return None, _decoded(raw.strip(b"\r\n"))
    fields = parse_fields(raw)
    data = raw.strip(b"\r\n") if fields.data is None else fields.data
    return fields.event, _decoded(data)


def frame_words(raw: bytes, framing: str | None) -> str:
    """The text that a frame adds to the answer, as far as that can be guessed; empty where it seems to add none."""
    if len(raw) > _LONGEST_PARSED:
        return ""
    _, content = frame_content(raw, framing)
    try:
        value = json_text.decode(content)
    except ValueError:
        return "" if content.startswith(("{", "[", ":", "event:")) else content
    return value if isinstance(value, str) else _first_text(value)


def _first_text(value: Any) -> str:
    """The first text under a telling key, level by level."""
    waiting: deque[Any] = deque([value])
    for _ in range(_MOST_VALUES):
        if not waiting:
            break
        current = waiting.popleft()
        if isinstance(current, list):
            waiting.extend(current[:_MOST_VALUES])
        elif isinstance(current, dict):
            for key, inner in current.items():
                if key in _TEXT_KEYS and isinstance(inner, str) and inner:
                    return inner
            waiting.extend(inner for inner in current.values() if isinstance(inner, dict | list))
    return ""


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
