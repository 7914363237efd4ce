"""Decoders for the Vercel AI SDK: the UI message stream of version 5 on, and the data stream of version 4."""

from tracekit_vercel_ai.claim import tracekit_stream_decoder
from tracekit_vercel_ai.data_stream import DataStreamDecoder
from tracekit_vercel_ai.ui_message import UiMessageStreamDecoder

__all__ = ["DataStreamDecoder", "UiMessageStreamDecoder", "tracekit_stream_decoder"]
