"""LangServe, `/stream`: events `metadata`, `data` and `end`; each `data` is what the runnable yielded.

`/stream_events` and `/stream_log` have the same framing; their payloads are told apart by their form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracekit.decoding import Ended, Fact, Frame, Noted, Text, Unreadable
from tracekit_langchain.conversation import Conversation
from tracekit_langchain.events import event_facts, is_event
from tracekit_langchain.failure import failure_of
from tracekit_langchain.message import kind_of, text_member, unwrapped
from tracekit_langchain.state import messages_of

__all__ = ["LangServeDecoder"]

# Chains yield their answer under one of these; the other members are what it was made from.
_ANSWERS = ("output", "answer", "text", "content", "result", "response")


class LangServeDecoder:
    """Reads one stream of a runnable: text, messages, or objects that hold one or the other."""

    wire_format = "langserve"

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._chunks = 0

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one event."""
        name = frame.event
        if name == "data" or name is None:
            return self._read_chunk(frame.json)
        if name == "metadata":
            run = text_member(frame.object, "run_id")
            return (Noted("run_id", run),) if run else ()
        if name == "error":
            return (failure_of(frame),)
        if name == "end":
            return (Ended(),)
        raise Unreadable("an event of unknown name")

    def finish(self) -> Iterable[Fact]:
        """Results and token counts of the messages."""
        return self._conversation.finish()

    def _read_chunk(self, chunk: Any) -> Sequence[Fact]:
        self._chunks += 1
        if isinstance(chunk, str):
            return (Text(chunk),) if chunk else ()
        message = unwrapped(chunk)
        if message is None:
            return self._told(chunk) if isinstance(chunk, list) else ()
        if kind_of(message) is not None:
            return self._conversation.add(message, ("chunk", self._chunks))
        if is_event(message):
            return event_facts(self._conversation, message)
        if isinstance(message.get("ops"), list):
            return self._read_log(message["ops"])
        return self._read_object(message)

    def _read_log(self, operations: list[Any]) -> list[Fact]:
        """A JSON patch of `/stream_log`: what the runnable yields is added to `/streamed_output`."""
        facts: list[Fact] = []
        for operation in operations:
            if isinstance(operation, dict) and operation.get("path") == "/streamed_output/-":
                value = operation.get("value")
                # A patch inside a patch is no output, and would nest as deep as its sender likes.
                if not (isinstance(value, dict) and "ops" in value):
                    facts += self._read_chunk(value)
        return facts

    def _read_object(self, chunk: Mapping[str, Any]) -> Sequence[Fact]:
        for name in _ANSWERS:
            answer = chunk.get(name)
            if isinstance(answer, str) and answer:
                return (Text(answer),)
            if isinstance(answer, dict) and kind_of(answer) is not None:
                return self._told([answer])
        facts = self._told(messages_of(chunk))
        for update in chunk.values():
            if isinstance(update, dict) and "messages" in update:
                facts += self._told(messages_of(update))
        return facts

    def _told(self, messages: Iterable[Any]) -> list[Fact]:
        """Messages that an agent or a graph yields."""
        facts: list[Fact] = []
        for number, entry in enumerate(messages):
            message = unwrapped(entry)
            if message is not None:
                facts += self._conversation.add(message, ("chunk", self._chunks, number))
        return facts
