"""Which streams are AG-UI: by the event types, which no other format writes so."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tracekit.decoding import Claim, Frame, StreamHead, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit.types import Framing
from tracekit_ag_ui.decoder import EVENT_TYPES, AgUiDecoder
from tracekit_ag_ui.snapshot import input_ids

__all__ = ["tracekit_stream_decoder"]

_SURE, _POSSIBLE = 0.9, 0.4

# Words that others may use as a type, too.
_COMMON_WORDS = frozenset({"RAW", "CUSTOM"})


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claim AG-UI runs."""
    if head.framing is Framing.WHOLE:
        return None
    certainty = max((_certainty(frame) for frame in frames), default=0.0)
    if not certainty:
        return None
    return Claim(certainty, partial(AgUiDecoder, input_ids(head.request_body)))


def _certainty(frame: Frame) -> float:
    try:
        kind = frame.object.get("type")
    except Unreadable:
        return 0.0
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        return 0.0
    return _POSSIBLE if kind in _COMMON_WORDS else _SURE
