"""LangGraph server, `/runs/stream`: each stream mode is an event name, which a subgraph's `|namespace` may follow.

Modes are asked for together, so the same message may come in pieces (`messages`), growing (`messages/partial`), in
updates, and once more in every state (`values`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tracekit.decoding import Ended, Fact, Frame, Noted, Unreadable
from tracekit_langchain.conversation import Conversation
from tracekit_langchain.events import event_facts
from tracekit_langchain.failure import failure_of
from tracekit_langchain.message import text_member, unwrapped
from tracekit_langchain.state import after_last_question, last_question, messages_of

__all__ = ["EVENTS", "LangGraphDecoder"]

Reader = Callable[[Any, Frame, str], Sequence[Fact]]


class LangGraphDecoder:
    """Reads one run. Besides what its messages say it notes `run_id` and `interrupts`."""

    wire_format = "langgraph"

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._namespaces: set[str] = set()
        self._frames = 0

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one event; one whose name is not known says nothing about the answer."""
        self._frames += 1
        name, _, namespace = (frame.event or "").partition("|")
        reader = _READERS.get(name)
        return reader(self, frame, namespace) if reader is not None else ()

    def finish(self) -> Iterable[Fact]:
        """Results and token counts of the messages."""
        return self._conversation.finish()

    def _read_metadata(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        run = text_member(frame.object, "run_id")
        return (Noted("run_id", run),) if run else ()

    def _read_message(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        """`messages`: a pair of a message, or a piece of one, and its metadata."""
        pair = frame.json
        message = unwrapped(pair[0]) if isinstance(pair, list) and pair else None
        if message is None:
            raise Unreadable("a pair of message and metadata was expected")
        if len(pair) > 1 and isinstance(pair[1], dict):
            self._conversation.name_model(text_member(pair[1], "ls_model_name"))
        return self._conversation.add(message, ("frame", self._frames))

    def _read_partial(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        """`messages/partial`: messages as far as they have come."""
        return self._told(_list(frame), "partial", complete=False)

    def _read_complete(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        """`messages/complete`: with the question, the thread's history may come along."""
        messages = messages_of(_list(frame))
        answers = after_last_question(messages)
        for message in messages[: len(messages) - len(answers)]:
            self._conversation.set_aside(message, "history")
        return self._told(answers, self._frames)

    def _read_messages_metadata(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        for entry in frame.object.values():
            metadata = entry.get("metadata") if isinstance(entry, dict) else None
            if isinstance(metadata, dict):
                self._conversation.name_model(text_member(metadata, "ls_model_name"))
        return ()

    def _read_values(self, frame: Frame, namespace: str) -> Sequence[Fact]:
        """`values`: the whole state. The first one of a graph is what it was started with, so what stands there up
        to the last question is history."""
        state = frame.json
        messages = messages_of(state)
        place = f"values|{namespace}"
        if namespace not in self._namespaces:
            self._namespaces.add(namespace)
            for number, message in enumerate(messages[: last_question(messages) + 1]):
                self._conversation.set_aside(message, (place, number))
        return [*self._told(messages, place), *_interrupts(state)]

    def _read_updates(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        """`updates`: what each node changed."""
        updates = frame.object
        facts = [*_interrupts(updates)]
        for node, update in updates.items():
            for number, part in enumerate(update if isinstance(update, list) else [update]):
                if isinstance(part, dict):
                    facts += self._told(messages_of(part), f"{self._frames}|{number}|{node}")
        return facts

    def _read_events(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        return event_facts(self._conversation, frame.object)

    def _read_error(self, frame: Frame, _namespace: str) -> Sequence[Fact]:
        return (failure_of(frame),)

    def _read_end(self, _frame: Frame, _namespace: str) -> Sequence[Fact]:
        return (Ended(),)

    def _told(self, messages: Iterable[Any], place: object, complete: bool = True) -> list[Fact]:
        facts: list[Fact] = []
        for number, message in enumerate(messages):
            if isinstance(message, dict):
                facts += self._conversation.add_told(message, (place, number), complete)
        return facts


def _list(frame: Frame) -> list[Any]:
    value = frame.json
    if not isinstance(value, list):
        raise Unreadable("a list of messages was expected")
    return value


def _interrupts(state: Any) -> Sequence[Fact]:
    interrupts = state.get("__interrupt__") if isinstance(state, Mapping) else None
    return (Noted("interrupts", interrupts),) if interrupts else ()


_READERS: dict[str, Reader] = {
    "metadata": LangGraphDecoder._read_metadata,
    "messages": LangGraphDecoder._read_message,
    "messages/partial": LangGraphDecoder._read_partial,
    "messages/complete": LangGraphDecoder._read_complete,
    "messages/metadata": LangGraphDecoder._read_messages_metadata,
    "values": LangGraphDecoder._read_values,
    "updates": LangGraphDecoder._read_updates,
    "events": LangGraphDecoder._read_events,
    "error": LangGraphDecoder._read_error,
    "end": LangGraphDecoder._read_end,
}

EVENTS = frozenset({*_READERS, "debug", "tasks", "checkpoints", "custom", "feedback"})
"""Every event name of a run, without namespace."""
