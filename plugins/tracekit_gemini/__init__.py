"""Decodes what Google's Gemini API and Vertex AI stream: `streamGenerateContent` as server-sent events."""

from __future__ import annotations

from tracekit_gemini.chunks import GeminiDecoder
from tracekit_gemini.claim import tracekit_stream_decoder

__all__ = ["GeminiDecoder", "tracekit_stream_decoder"]
