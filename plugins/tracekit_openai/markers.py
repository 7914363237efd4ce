"""Frames whose payload is no JSON object: the end marker, and errors in plain text."""

from __future__ import annotations

from tracekit.decoding import Ended, Failed, Frame, Unreadable

__all__ = ["is_done", "marker_of"]


def is_done(frame: Frame) -> bool:
    """Whether a frame is the `[DONE]` that ends a stream of OpenAI's kind."""
    return frame.data.strip() == b"[DONE]"


def marker_of(frame: Frame, problem: Unreadable) -> Ended | Failed:
    """What a frame means that holds no JSON object; `problem` is what reading it as one raised.

    Raises:
        Unreadable: `problem`, where the frame means nothing.
    """
    if is_done(frame):
        return Ended()
    if frame.event == "error" and frame.data:
        return Failed(frame.text)
    raise problem
