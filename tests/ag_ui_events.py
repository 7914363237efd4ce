"""Events of AG-UI runs for tests, and what they amount to."""

from __future__ import annotations

from typing import Any

from stream_corpus import decode_frames, frames_of, sse_body

from tracekit.transcript import Summary
from tracekit_ag_ui import AgUiDecoder

__all__ = ["QUESTION", "content", "event", "run", "said", "snapshot"]

QUESTION = {"id": "q", "role": "user", "content": "What time is it?"}


def event(kind: str, **members: Any) -> dict[str, Any]:
    """One event."""
    return {"type": kind, **members}


def run(*events: dict[str, Any]) -> Summary:
    """What these events amount to."""
    return decode_frames(AgUiDecoder(), frames_of(sse_body(*events)))


def content(text: str, message: str = "m") -> dict[str, Any]:
    """A piece of a message."""
    return event("TEXT_MESSAGE_CONTENT", messageId=message, delta=text)


def snapshot(*messages: Any) -> dict[str, Any]:
    """All messages at once."""
    return event("MESSAGES_SNAPSHOT", messages=list(messages))


def said(text: Any, identifier: str = "a", **members: Any) -> dict[str, Any]:
    """An assistant's message in a snapshot."""
    return {"id": identifier, "role": "assistant", "content": text, **members}
