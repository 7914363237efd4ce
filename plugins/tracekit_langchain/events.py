"""Events of `astream_events`, which LangGraph sends as `events` and LangServe at `/stream_events`.

The same text comes as pieces, as the model's output, and as the output of every chain around it; so only the model's
own events are read, and a chain's output where no model has spoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracekit.decoding import Fact, Text
from tracekit_langchain.conversation import Conversation
from tracekit_langchain.message import Kind, kind_of, text_member, unwrapped
from tracekit_langchain.state import after_last_question, messages_of

__all__ = ["event_facts", "is_event"]


def is_event(data: Any) -> bool:
    """Whether this is an event of `astream_events`."""
    name = data.get("event") if isinstance(data, dict) else None
    return isinstance(name, str) and name.startswith("on_") and "data" in data


def event_facts(conversation: Conversation, event: Mapping[str, Any]) -> Sequence[Fact]:
    """The facts of one event."""
    name, data = event.get("event"), event.get("data")
    if not isinstance(name, str) or not isinstance(data, dict):
        return ()
    metadata = event.get("metadata")
    if isinstance(metadata, dict):
        conversation.name_model(text_member(metadata, "ls_model_name"))
    reader = _READERS.get(name)
    if reader is not None:
        return reader(conversation, data)
    if name == "on_chain_end" and not event.get("parent_ids") and not conversation.has_spoken:
        return _chain_output(conversation, data.get("output"))
    return ()


def _model_piece(conversation: Conversation, data: Mapping[str, Any]) -> Sequence[Fact]:
    piece = unwrapped(data.get("chunk"))
    return conversation.add_piece(piece) if piece is not None else ()


def _model_end(conversation: Conversation, data: Mapping[str, Any]) -> Sequence[Fact]:
    message = _model_output(data.get("output"))
    return conversation.add_whole(message) if message is not None else ()


def _tool_end(conversation: Conversation, data: Mapping[str, Any]) -> Sequence[Fact]:
    message = unwrapped(data.get("output"))
    return conversation.add_result(message) if message is not None and kind_of(message) is Kind.TOOL else ()


def _completion_piece(conversation: Conversation, data: Mapping[str, Any]) -> Sequence[Fact]:
    """A piece of a model that completes text and knows no messages."""
    chunk = data.get("chunk")
    return _text(conversation, text_member(chunk, "text") if isinstance(chunk, dict) else chunk)


def _model_output(output: Any) -> dict[str, Any] | None:
    """The message of a model's output, which version 1 of the events wraps in `generations`."""
    message = unwrapped(output)
    generations = message.get("generations") if message is not None else None
    while isinstance(generations, list) and generations:
        generations = generations[0]
    return unwrapped(generations.get("message")) if isinstance(generations, dict) else message


def _text(conversation: Conversation, text: Any) -> Sequence[Fact]:
    if not isinstance(text, str) or not text:
        return ()
    conversation.has_spoken = True
    return (Text(text),)


def _chain_output(conversation: Conversation, output: Any) -> Sequence[Fact]:
    if isinstance(output, str):
        return _text(conversation, output)
    messages = after_last_question(messages_of(output))
    return [fact for place, message in enumerate(messages) for fact in conversation.add_told(message, ("end", place))]


_READERS = {
    "on_chat_model_stream": _model_piece,
    "on_chat_model_end": _model_end,
    "on_tool_end": _tool_end,
    "on_llm_stream": _completion_piece,
}
