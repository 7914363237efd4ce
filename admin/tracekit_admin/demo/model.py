"""The demo's model: scripted, without a network, speaking three wire formats over server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import anyio

from tracekit_admin.demo.anthropic_messages import anthropic_messages
from tracekit_admin.demo.openai_chat import openai_chat
from tracekit_admin.demo.pacing import Beat
from tracekit_admin.demo.script import Answer
from tracekit_admin.demo.ui_message_stream import ui_message_stream

__all__ = ["FORMATS", "WireFormat", "stream"]


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One way to say an answer: the path it is asked at, its title, its beats and its response headers."""

    path: str
    title: str
    beats: Callable[[Answer], Iterator[Beat]]
    headers: Mapping[str, str] = field(default_factory=dict)


FORMATS: dict[str, WireFormat] = {
    "ui": WireFormat("/api/chat", "UI message stream", ui_message_stream, {"x-vercel-ai-ui-message-stream": "v1"}),
    "openai": WireFormat("/v1/chat/completions", "OpenAI Chat Completions", openai_chat),
    "anthropic": WireFormat("/v1/messages", "Anthropic Messages", anthropic_messages),
}


async def stream(wire_format: WireFormat, answer: Answer, *, pace: float = 1.0) -> AsyncIterator[bytes]:
    """The answer's frames, each after its pause times `pace`.

    Raises:
        ModelBrokeOff: half-way, where the prompt asked for it.
    """
    for beat in wire_format.beats(answer):
        await anyio.sleep(beat.pause * pace)
        yield beat.data
