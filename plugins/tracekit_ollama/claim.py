"""Which streams are Ollama's."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.decoding import Claim, Frame, StreamHead, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit_ollama.lines import OllamaDecoder

__all__ = ["tracekit_stream_decoder"]


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claims a stream by a line with a model, a `done` and a piece of an answer, whatever carries the line.

    A line with nothing but an error could be anybody's; there the path of the request decides.
    """
    certainty = max((_certainty(head, frame) for frame in frames), default=0.0)
    return Claim(certainty, OllamaDecoder) if certainty else None


def _certainty(head: StreamHead, frame: Frame) -> float:
    try:
        line = frame.object
    except Unreadable:
        return 0.0
    if isinstance(line.get("error"), str) and len(line) == 1:
        return 0.5 if head.path.endswith(("/api/chat", "/api/generate")) else 0.0
    answers = isinstance(line.get("message"), dict) or isinstance(line.get("response"), str)
    if not answers or not isinstance(line.get("done"), bool) or not isinstance(line.get("model"), str):
        return 0.0
    return 0.95 if "created_at" in line else 0.8
