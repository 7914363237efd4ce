"""The rhythm of the demo's model: pieces of a few letters, pauses as a real model makes them, keepalives in silence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple

__all__ = ["DONE", "Beat", "ModelBrokeOff", "comments", "frame", "pieces", "pings", "spoken", "tokens"]

# Seconds before a piece; an uneven pattern, since real pieces come in clusters.
_PAUSES = (0.018, 0.031, 0.012, 0.055, 0.026, 0.009, 0.04)
_KEEPALIVE_SECONDS = 1.0
_PIECE = re.compile(r"\s*[\u3000-\u9fff\uff00-\uffef]{1,3}|\s*[^\s\u3000-\u9fff\uff00-\uffef]{1,9}|\s+")


class ModelBrokeOff(RuntimeError):
    """The model stopped in the middle of its answer, as the prompt had asked."""


class Beat(NamedTuple):
    """Bytes to send, and the seconds to wait before them."""

    pause: float
    data: bytes


def frame(payload: dict[str, Any], event: str | None = None) -> bytes:
    """One server-sent event with a JSON payload."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


DONE = Beat(0.0, b"data: [DONE]\n\n")


def pieces(text: str) -> list[str]:
    """The text cut into what a model sends at a time; joined, they are the text."""
    return _PIECE.findall(text)


def tokens(*texts: str) -> int:
    """What texts cost, one token a piece."""
    return sum(len(pieces(text)) for text in texts)


def spoken(text: str, *, breaks_off: bool = False) -> Iterator[tuple[float, str]]:
    """The pieces of a text, each with the pause before it.

    Raises:
        ModelBrokeOff: half-way, where `breaks_off` asks for it.
    """
    parts = pieces(text)
    for number, (pause, piece) in enumerate(zip(cycle(_PAUSES), parts, strict=False)):
        if breaks_off and number >= len(parts) // 2:
            raise ModelBrokeOff("the scripted model broke off, as the prompt asked")
        yield pause, piece


def comments(seconds: float) -> Iterator[Beat]:
    """A silence in which comments keep the connection open."""
    return _beats(seconds, b": keepalive\n\n")


def pings(seconds: float) -> Iterator[Beat]:
    """A silence in which Anthropic's ping events keep the connection open."""
    return _beats(seconds, frame({"type": "ping"}, "ping"))


def _beats(seconds: float, data: bytes) -> Iterator[Beat]:
    for _ in range(int(seconds / _KEEPALIVE_SECONDS)):
        yield Beat(_KEEPALIVE_SECONDS, data)
