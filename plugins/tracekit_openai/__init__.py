"""Reads the streams of OpenAI's Chat Completions and Responses, and of everybody who speaks a dialect of them."""

from __future__ import annotations

from tracekit_openai.chat import ChatDecoder
from tracekit_openai.plugin import tracekit_stream_decoder
from tracekit_openai.responses import ResponsesDecoder

__all__ = ["ChatDecoder", "ResponsesDecoder", "tracekit_stream_decoder"]
