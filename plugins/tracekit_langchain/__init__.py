"""Decoders for LangChain's servers: LangGraph `/runs/stream` and LangServe `/stream`."""

from tracekit_langchain.claim import tracekit_stream_decoder
from tracekit_langchain.langgraph import LangGraphDecoder
from tracekit_langchain.langserve import LangServeDecoder

__all__ = ["LangGraphDecoder", "LangServeDecoder", "tracekit_stream_decoder"]
