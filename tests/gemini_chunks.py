"""Chunks of Gemini's streams, for tests that write their own."""

from __future__ import annotations

import json
from typing import Any

from stream_corpus import decode_body

import tracekit_gemini
from tracekit.transcript import Summary

USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 10}


def chunk(*parts: dict[str, Any], finish: str | None = None, index: int | None = 0, **others: Any) -> dict[str, Any]:
    """A chunk with one candidate."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}}
    if index is not None:
        candidate["index"] = index
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x", **others}


def sse(*chunks: Any) -> bytes:
    """Chunks as Google sends them."""
    return "".join(f"data: {json.dumps(each)}\r\n\r\n" for each in chunks).encode()


def decoded(*chunks: Any) -> Summary:
    """What the plugin makes of a stream of these chunks."""
    return decode_body(tracekit_gemini, sse(*chunks))


def call(**body: Any) -> dict[str, Any]:
    """A functionCall part."""
    return {"functionCall": body}
