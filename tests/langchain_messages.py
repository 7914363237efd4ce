"""Messages of LangChain and events of its servers for tests, and what they amount to."""

from __future__ import annotations

import json
from typing import Any

from stream_corpus import decode_frames, frames_of, sse_body

from tracekit.transcript import Summary
from tracekit_langchain import LangGraphDecoder, LangServeDecoder

__all__ = [
    "HUMAN", "Event", "ai", "call", "calls_of", "chunk", "graph", "piece", "serve", "streamed", "tool", "values",
    "yielded",
]  # fmt: skip

Event = tuple[str, Any]

HUMAN = {"type": "human", "id": "h", "content": "What time is it?"}


def graph(*events: Event) -> Summary:
    """What these events of a LangGraph run amount to."""
    return decode_frames(LangGraphDecoder(), frames_of(sse_body(*events)))


def serve(*events: Event) -> Summary:
    """What these events of a LangServe stream amount to."""
    return decode_frames(LangServeDecoder(), frames_of(sse_body(*events)))


def yielded(*chunks: Any) -> Summary:
    """What a LangServe stream of these chunks amounts to."""
    return serve(*(("data", json.dumps(chunk)) for chunk in chunks))


def chunk(content: Any = "", identifier: str | None = "m", **members: Any) -> dict[str, Any]:
    """A piece of a message, as Python servers send it."""
    return {"type": "AIMessageChunk", "id": identifier, "content": content, "tool_call_chunks": [], **members}


def ai(content: Any = "", identifier: str | None = "m", **members: Any) -> dict[str, Any]:
    """A whole message of the model."""
    return {"type": "ai", "id": identifier, "content": content, **members}


def tool(content: Any, call: str = "c", **members: Any) -> dict[str, Any]:
    """What a tool answered."""
    return {"type": "tool", "tool_call_id": call, "name": "f", "content": content, **members}


def call(args: Any, identifier: str | None = "c", name: str | None = "f", **members: Any) -> dict[str, Any]:
    """A tool call: its pieces have text for arguments and an index, whole ones a value."""
    return {"id": identifier, "name": name, "args": args, **members}


def piece(message: dict[str, Any], **metadata: Any) -> Event:
    """An event of the mode `messages-tuple`."""
    return "messages", [message, metadata]


def values(*messages: Any) -> Event:
    """A state."""
    return "values", {"messages": list(messages)}


def streamed(name: str, **data: Any) -> dict[str, Any]:
    """An event of `astream_events`."""
    return {"event": name, "run_id": "r", "name": "x", "parent_ids": ["p"], "data": data}


def calls_of(summary: Summary) -> list[tuple[str | None, str | None, Any, Any]]:
    """The calls in short: id, name, arguments, result."""
    return [(each.id, each.name, each.arguments, each.result) for each in summary.tool_calls]
