"""Decoder for AG-UI, the Agent User Interaction Protocol, as server-sent events."""

from tracekit_ag_ui.claim import tracekit_stream_decoder
from tracekit_ag_ui.decoder import AgUiDecoder

__all__ = ["AgUiDecoder", "tracekit_stream_decoder"]
