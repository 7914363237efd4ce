"""Decodes what Anthropic's API streams: Messages, and the older text completions."""

from __future__ import annotations

from tracekit_anthropic.claim import tracekit_stream_decoder
from tracekit_anthropic.messages import MessagesDecoder

__all__ = ["MessagesDecoder", "tracekit_stream_decoder"]
