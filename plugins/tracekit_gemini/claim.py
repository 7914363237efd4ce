"""Which streams are Gemini's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.decoding import Claim, Frame, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit_gemini.chunks import GeminiDecoder, unwrapped

__all__ = ["tracekit_stream_decoder"]


@hookimpl
def tracekit_stream_decoder(frames: Sequence[Frame]) -> Claim | None:
    """Claims a stream by its candidates, by a blocked prompt, or by its usage under Gemini's own name."""
    certainty = max(map(_certainty, frames), default=0.0)
    return Claim(certainty, GeminiDecoder) if certainty else None


def _certainty(frame: Frame) -> float:
    try:
        chunk = unwrapped(frame.object)
    except Unreadable:
        return 0.0
    if _has_candidates(chunk) or isinstance(chunk.get("usageMetadata"), dict):
        return 0.95
    feedback = chunk.get("promptFeedback")
    if isinstance(feedback, dict):
        return 0.9 if "blockReason" in feedback or "safetyRatings" in feedback else 0.5
    return 0.5 if _is_status(chunk.get("error")) else 0.0


def _has_candidates(chunk: dict[str, Any]) -> bool:
    candidates = chunk.get("candidates")
    if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], dict):
        return False
    first = candidates[0]
    content = first.get("content")
    return "finishReason" in first or (isinstance(content, dict) and ("parts" in content or "role" in content))


def _is_status(error: object) -> bool:
    """Whether an error is written as Google's APIs write it: number, text, and name in capitals."""
    if not isinstance(error, dict):
        return False
    status = error.get("status")
    return isinstance(error.get("code"), int) and isinstance(status, str) and status.isupper()
