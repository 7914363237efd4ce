"""Decodes what Cohere's chat API streams: version 2, and version 1 as it was before."""

from __future__ import annotations

from tracekit_cohere.chat_v1 import ChatV1Decoder
from tracekit_cohere.chat_v2 import ChatV2Decoder
from tracekit_cohere.claim import tracekit_stream_decoder

__all__ = ["ChatV1Decoder", "ChatV2Decoder", "tracekit_stream_decoder"]
