"""Reads home-made streams as a last resort: plain text, or JSON with a text in a likely place."""

from __future__ import annotations

from tracekit_generic.claim import tracekit_stream_decoder
from tracekit_generic.decoders import JsonDecoder, TextDecoder

__all__ = ["JsonDecoder", "TextDecoder", "tracekit_stream_decoder"]
