"""Errors inside a stream: every provider words them in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracekit import json_text
from tracekit.decoding import Failed

__all__ = ["failure_of", "reported_failure"]

_MESSAGE_KEYS = ("message", "detail", "msg", "error")
_CODE_KEYS = ("code", "error_type", "type", "status_code", "status")
# A tuple, since what is compared with it need not be hashable.
_ERROR_EVENTS = ("error", "response.error")


def failure_of(error: Any) -> Failed:
    """The failure that an `error` value means: an object with message and code, a text, or whatever else."""
    if isinstance(error, dict):
        return Failed(_message(error), _code(error))
    return Failed(_as_text(error))


def reported_failure(chunk: Mapping[str, Any]) -> Failed | None:
    """The failure that a frame reports at its top level, None where it reports none.

    Known forms: `{"error": {"message": ..., "code": ...}}` (most), `{"error": "text", "error_type": ...}`
    (Hugging Face, xAI), `{"object": "error", "message": ...}` (vLLM, Mistral), and the Responses event
    `{"type": "error", "code": ..., "message": ...}`.
    """
    error = chunk.get("error")
    if error:
        return failure_of(error) if isinstance(error, dict) else Failed(_as_text(error), _code(chunk))
    if chunk.get("type") in _ERROR_EVENTS:
        return Failed(_message(chunk), _code({**chunk, "type": None}))
    return failure_of(chunk) if chunk.get("object") == "error" else None


def _message(error: Mapping[str, Any]) -> str:
    for key in _MESSAGE_KEYS:
        if error.get(key):
            return _as_text(error[key])
    return _as_text(error)


def _code(error: Mapping[str, Any]) -> str | None:
    for key in _CODE_KEYS:
        value = error.get(key)
        if value and isinstance(value, str | int):
            return str(value)
    return None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json_text.encode(value)
