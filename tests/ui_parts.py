"""Parts of a UI message stream for tests, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_corpus import decode_frames, frames_of, sse_body

from tracekit.transcript import Summary
from tracekit_vercel_ai import UiMessageStreamDecoder

__all__ = ["part", "parts", "text"]


def parts(*parts: Mapping[str, Any]) -> Summary:
    """What these parts amount to, with `[DONE]` after them."""
    return decode_frames(UiMessageStreamDecoder(), frames_of(sse_body(*parts, "[DONE]")))


def part(kind: str, **members: Any) -> dict[str, Any]:
    """One part."""
    return {"type": kind, **members}


def text(piece: str, identifier: str = "0") -> dict[str, Any]:
    """A piece of text."""
    return part("text-delta", id=identifier, delta=piece)
