"""Where home-made streams put things: under which names a text stands, which events carry none."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from tracekit.decoding import Failed

__all__ = ["Kind", "failure_in", "kind_of", "said_in"]


class Kind(Enum):
    """What a frame is for, as its type or event says."""

    OTHER = auto()
    THOUGHT = auto()
    END = auto()
    ERROR = auto()
    SILENT = auto()
    """Neither answer nor end: news of progress, sources, the name of a session."""


_WORDS = {
    Kind.THOUGHT: "thinking thought thoughts reasoning reasoning_content",
    Kind.END: "done end ended finish finished complete completed stop close message_end stream_end eof",
    Kind.ERROR: "error failed failure exception",
    Kind.SILENT: "status progress log debug info metadata meta start started init title source sources citation "
    "citations references usage session conversation heartbeat ping state step tool tool_call tool_result "
    "tool_start tool_end",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}

# Most telling first: an object with a `delta` and a whole `message` is read by its delta.
_TEXT = ("delta", "content", "text", "answer", "token", "chunk", "message", "response", "output", "completion", "data")
_RANK = {name: rank for rank, name in enumerate(_TEXT)}
_REASONING = frozenset({"reasoning", "reasoning_content", "thinking"})
_OTHERS_SPEAK = frozenset({"user", "system", "tool"})


def kind_of(*words: object) -> Kind:
    """What the first of these words that means anything says of a frame."""
    for word in words:
        if isinstance(word, str) and (kind := _KINDS.get(word.lower().replace("-", "_"))):
            return kind
    return Kind.OTHER


def said_in(value: dict[str, Any]) -> tuple[str, str]:
    """Text and thoughts at the usual places of an object, or of an object in such a place; empty where none are."""
    text, thought = _look(value)
    if text or thought:
        return text, thought
    for name in _TEXT:
        if isinstance(inner := value.get(name), dict):
            text, thought = _look(inner)
            if text or thought:
                break
    return text, thought


def _look(place: dict[str, Any]) -> tuple[str, str]:
    text, thought, least = "", "", len(_RANK)
    for name, value in place.items():
        if not isinstance(value, str):
            continue
        if name == "role" and value in _OTHERS_SPEAK:
            return "", ""
        if value and (rank := _RANK.get(name, least)) < least:
            text, least = value, rank
        elif name in _REASONING:
            thought = value
    return text, thought


def failure_in(value: dict[str, Any], is_error: bool) -> Failed | None:
    """The error that an object tells of. Where its type says `is_error`, any text in it is the message."""
    if not is_error and "error" not in value:
        return None
    error = value.get("error")
    if isinstance(error, dict):
        return Failed(_message(error) or "error", _code(error))
    if isinstance(error, str) and error:
        return Failed(error, _code(value))
    return Failed(_message(value) or "error", _code(value)) if is_error else None


def _message(error: dict[str, Any]) -> str:
    detail = error.get("detail")
    return said_in(error)[0] or (detail if isinstance(detail, str) else "")


def _code(error: dict[str, Any]) -> str | None:
    code = error.get("code")
    return str(code) if isinstance(code, str | int) and not isinstance(code, bool) else None
