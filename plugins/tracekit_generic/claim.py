"""Which streams can be read without knowing their format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tracekit.decoding import Claim, Decoder, Fact, Frame, Reasoning, StreamHead, Text, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit.types import Framing
from tracekit_generic.decoders import DONE, JsonDecoder, TextDecoder

__all__ = ["tracekit_stream_decoder"]


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claims, with little certainty, a stream whose first frames give any text at all."""
    if head.framing is Framing.WHOLE:
        return None
    if head.framing is Framing.SSE and _is_plain_text(frames):
        return Claim(0.2, TextDecoder) if _gives_text(TextDecoder(), frames) else None
    return Claim(0.3, JsonDecoder) if _gives_text(JsonDecoder(), frames) else None


def _is_plain_text(frames: Iterable[Frame]) -> bool:
    """Whether more payloads are plain text than JSON objects and lists. What only begins like JSON is neither."""
    balance = plain = 0
    for frame in frames:
        if frame.data == DONE:
            continue
        value = _value(frame)
        if isinstance(value, dict | list):
            balance -= 1
        elif value is ... and not frame.data.lstrip().startswith((b"{", b"[")):
            plain += 1
    return plain > 0 and plain + balance >= 0


def _value(frame: Frame) -> Any:
    try:
        return frame.json
    except Unreadable:
        return ...


def _gives_text(decoder: Decoder, frames: Iterable[Frame]) -> bool:
    return any(isinstance(fact, Text | Reasoning) and fact.text.strip() for fact in _facts(decoder, frames))


def _facts(decoder: Decoder, frames: Iterable[Frame]) -> Iterable[Fact]:
    for frame in frames:
        try:
            yield from decoder.feed(frame)
        except Unreadable:
            continue
