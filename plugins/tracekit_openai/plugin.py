"""Tells streams of OpenAI's two formats from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.decoding import Claim, Frame, StreamHead, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit_openai.chat import ChatDecoder
from tracekit_openai.failures import reported_failure
from tracekit_openai.responses import ResponsesDecoder

__all__ = ["tracekit_stream_decoder"]

_CHAT_OBJECTS = frozenset(
    {"chat.completion.chunk", "chat.completion", "chat.completion.done", "text_completion", "text_completion.chunk"}
)
_NAMED = 0.95  # the frame names its format
_SHAPED = 0.85  # the frame has the format's shape
_CALLED = 0.8  # the frame could be anybody's, but the path is the one where this format is served
_LAST_RESORT = 0.2  # an error that nobody else may be able to read


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claims Chat Completions, Responses, and dialects of either."""
    objects = [value for frame in frames if (value := _object(frame)) is not None]
    chat = max((_chat_certainty(value, head) for value in objects), default=0.0)
    responses = max((_responses_certainty(value, head) for value in objects), default=0.0)
    if responses > chat:
        return Claim(responses, ResponsesDecoder)
    return Claim(chat, ChatDecoder) if chat else None


def _object(frame: Frame) -> dict[str, Any] | None:
    try:
        return frame.object
    except Unreadable:
        return None


def _chat_certainty(chunk: dict[str, Any], head: StreamHead) -> float:
    kind = chunk.get("object")
    if isinstance(kind, str) and kind in _CHAT_OBJECTS:
        return _NAMED
    choices = chunk.get("choices")
    if isinstance(choices, list):
        if not choices:
            return _SHAPED if "prompt_filter_results" in chunk or ("id" in chunk and "model" in chunk) else 0.5
        return _SHAPED if _is_choice(choices[0]) else 0.0
    return _error_certainty(chunk, head.path.endswith("/completions"))


def _is_choice(choice: Any) -> bool:
    return isinstance(choice, dict) and (
        isinstance(choice.get("delta"), dict) or isinstance(choice.get("text"), str) or "finish_reason" in choice
    )


def _responses_certainty(event: dict[str, Any], head: StreamHead) -> float:
    kind = event.get("type")
    if isinstance(kind, str) and kind.startswith("response."):
        return _NAMED
    if event.get("object") == "response" and isinstance(event.get("output"), list):
        return _NAMED
    if kind == "error" and "sequence_number" in event:
        return _SHAPED
    return _error_certainty(event, head.path.endswith("/responses"))


def _error_certainty(value: dict[str, Any], is_served_here: bool) -> float:
    if is_served_here:
        return _CALLED if reported_failure(value) else 0.0
    error = value.get("error")
    is_worded_alike = isinstance(error, dict) and "message" in error and ("type" in error or "code" in error)
    return _LAST_RESORT if is_worded_alike else 0.0
