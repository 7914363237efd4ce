"""AG-UI: one event a frame, told apart by `type`.

Written against the event schemas of `@ag-ui/core`; what the events amount to follows `@ag-ui/client`, whose list of
messages is what a user sees. Events that say nothing about the answer (state, activity, steps, raw events, which
repeat what the framework below has said) give no facts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from tracekit.decoding import (
    Ended,
    Fact,
    Failed,
    Finished,
    Frame,
    ModelNamed,
    Noted,
    Reasoning,
    Text,
    Unreadable,
)
from tracekit_ag_ui.fields import message_id, required_text, text_member, token_counts
from tracekit_ag_ui.snapshot import StreamedMessages, input_ids, messages_of_run
from tracekit_ag_ui.tool_calls import ToolCalls

__all__ = ["EVENT_TYPES", "AgUiDecoder"]

Event = Mapping[str, Any]
Reader = Callable[[Any, Event], Sequence[Fact]]


class AgUiDecoder:
    """Reads one run.

    `known` holds the ids of messages that the run was started with, so that a snapshot's history is not taken for
    the answer. Besides the common facts it notes `tool_results`, `thread_id`, `run_id`, `result` and `interrupts`.
    """

    wire_format = "ag-ui"

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self._known = set(known)
        self._calls = ToolCalls()
        self._messages = StreamedMessages()
        self._has_reasoned = False
        self._not_the_assistants: set[str] = set()
        self._text_chunk: str | None = None
        self._reasoning_chunk: str | None = None
        self._thoughts = 0
        self._snapshot: list[dict[str, Any]] = []

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one event."""
        event = frame.object
        kind = event.get("type")
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is None:
            raise Unreadable("an event of unknown type")
        if not self._calls.has_open_chunks or kind in _LEAVES_CHUNKS_OPEN:
            return reader(self, event)
        facts = reader(self, event)
        return (*self._calls.close_chunks(), *facts)

    def finish(self) -> Iterable[Fact]:
        """What only the last snapshot says, and the results of tools in the order they came."""
        yield from self._calls.close_chunks()
        if self._snapshot:
            for identifier, text in self._messages.untold(self._snapshot, "assistant"):
                yield Text(text, identifier)
            if not self._has_reasoned:
                for identifier, text in StreamedMessages().untold(self._snapshot, "reasoning"):
                    yield Reasoning(text, identifier)
        if self._calls.results:
            yield Noted("tool_results", self._calls.results)

    def _read_text_start(self, event: Event) -> Sequence[Fact]:
        self._note_role(message_id(event), event)
        return ()

    def _read_text(self, event: Event) -> Sequence[Fact]:
        return self._text_of(message_id(event), required_text(event, "delta"))

    def _read_text_chunk(self, event: Event) -> Sequence[Fact]:
        identifier = self._text_chunk = message_id(event) or self._text_chunk
        self._note_role(identifier, event)
        return self._text_of(identifier, text_member(event, "delta") or "")

    def _note_role(self, identifier: str | None, event: Event) -> None:
        if identifier is not None and event.get("role", "assistant") not in ("assistant", None):
            self._not_the_assistants.add(identifier)

    def _text_of(self, identifier: str | None, text: str) -> Sequence[Fact]:
        if not text or identifier in self._not_the_assistants:
            return ()
        return (Text(text, self._messages.add(identifier, text)),)

    def _read_reasoning(self, event: Event) -> Sequence[Fact]:
        return self._reasoning_of(message_id(event), required_text(event, "delta"))

    def _read_reasoning_chunk(self, event: Event) -> Sequence[Fact]:
        self._reasoning_chunk = message_id(event) or self._reasoning_chunk
        return self._reasoning_of(self._reasoning_chunk, text_member(event, "delta") or "")

    # The older THINKING events name no message: each start begins one.
    def _read_thinking_start(self, _event: Event) -> Sequence[Fact]:
        self._thoughts += 1
        return ()

    def _read_thinking(self, event: Event) -> Sequence[Fact]:
        return self._reasoning_of(self._thoughts, required_text(event, "delta"))

    def _reasoning_of(self, part: Hashable, text: str) -> Sequence[Fact]:
        if not text:
            return ()
        self._has_reasoned = True
        return (Reasoning(text, part),)

    def _read_snapshot(self, event: Event) -> Sequence[Fact]:
        messages = event.get("messages")
        if not isinstance(messages, list):
            raise Unreadable("a snapshot without messages")
        self._messages.replaced_by(messages)
        self._snapshot = messages_of_run(messages, self._known)
        return self._calls.of_snapshot(self._snapshot)

    def _read_run_started(self, event: Event) -> Sequence[Fact]:
        self._known.update(input_ids(event.get("input")))
        ids = {
            "thread_id": text_member(event, "threadId", "thread_id"),
            "run_id": text_member(event, "runId", "run_id"),
        }
        return [Noted(name, value) for name, value in ids.items() if value]

    def _read_run_finished(self, event: Event) -> Sequence[Fact]:
        facts: list[Fact] = [*_spent(event)]
        outcome = event.get("outcome")
        members = outcome if isinstance(outcome, dict) else {"type": outcome}
        if reason := text_member(members, "type"):
            facts.append(Finished(reason))
        if members.get("interrupts"):
            facts.append(Noted("interrupts", members["interrupts"]))
        if event.get("result") is not None:
            facts.append(Noted("result", event["result"]))
        return [*facts, Ended()]

    def _read_run_error(self, event: Event) -> Sequence[Fact]:
        message = text_member(event, "message") or "RUN_ERROR"
        return [*_spent(event), Failed(message, text_member(event, "code")), Ended()]

    def _read_call_start(self, event: Event) -> Sequence[Fact]:
        return self._calls.start(event)

    def _read_call_arguments(self, event: Event) -> Sequence[Fact]:
        return self._calls.arguments(event)

    def _read_call_end(self, event: Event) -> Sequence[Fact]:
        return self._calls.end(event)

    def _read_call_chunk(self, event: Event) -> Sequence[Fact]:
        return self._calls.chunk(event)

    def _read_call_result(self, event: Event) -> Sequence[Fact]:
        return self._calls.result(event)

    def _read_nothing(self, _event: Event) -> Sequence[Fact]:
        return ()


def _spent(event: Event) -> Iterable[Fact]:
    """`usage` of the events that end a run: an entry for each provider and model."""
    usage = event.get("usage")
    for entry in usage if isinstance(usage, list) else ():
        if isinstance(entry, dict) and (model := text_member(entry, "model")):
            yield ModelNamed(model)
    if (spent := token_counts(usage)).counts:
        yield spent


_SILENT = (
    "TEXT_MESSAGE_END", "STATE_SNAPSHOT", "STATE_DELTA", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "RAW", "CUSTOM",
    "STEP_STARTED", "STEP_FINISHED", "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR",
    "THINKING_START", "THINKING_END", "THINKING_TEXT_MESSAGE_END",
    "REASONING_START", "REASONING_END", "REASONING_MESSAGE_START", "REASONING_MESSAGE_END",
    "REASONING_ENCRYPTED_VALUE",
)  # fmt: skip

_READERS: dict[str, Reader] = {
    "TEXT_MESSAGE_START": AgUiDecoder._read_text_start,
    "TEXT_MESSAGE_CONTENT": AgUiDecoder._read_text,
    "TEXT_MESSAGE_CHUNK": AgUiDecoder._read_text_chunk,
    "REASONING_MESSAGE_CONTENT": AgUiDecoder._read_reasoning,
    "REASONING_MESSAGE_CHUNK": AgUiDecoder._read_reasoning_chunk,
    "THINKING_TEXT_MESSAGE_START": AgUiDecoder._read_thinking_start,
    "THINKING_TEXT_MESSAGE_CONTENT": AgUiDecoder._read_thinking,
    "TOOL_CALL_START": AgUiDecoder._read_call_start,
    "TOOL_CALL_ARGS": AgUiDecoder._read_call_arguments,
    "TOOL_CALL_END": AgUiDecoder._read_call_end,
    "TOOL_CALL_CHUNK": AgUiDecoder._read_call_chunk,
    "TOOL_CALL_RESULT": AgUiDecoder._read_call_result,
    "MESSAGES_SNAPSHOT": AgUiDecoder._read_snapshot,
    "RUN_STARTED": AgUiDecoder._read_run_started,
    "RUN_FINISHED": AgUiDecoder._read_run_finished,
    "RUN_ERROR": AgUiDecoder._read_run_error,
    **dict.fromkeys(_SILENT, AgUiDecoder._read_nothing),
}

# These may come between the chunks of one call.
_LEAVES_CHUNKS_OPEN = frozenset(
    {"TOOL_CALL_CHUNK", "RAW", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "REASONING_ENCRYPTED_VALUE",
     "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR"}
)  # fmt: skip

EVENT_TYPES = frozenset(_READERS)
"""Every event type of the protocol, the older ones included."""
