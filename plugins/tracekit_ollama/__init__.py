"""Decodes what Ollama's own API streams, a JSON object a line: `/api/chat` and `/api/generate`."""

from __future__ import annotations

from tracekit_ollama.claim import tracekit_stream_decoder
from tracekit_ollama.lines import OllamaDecoder

__all__ = ["OllamaDecoder", "tracekit_stream_decoder"]
