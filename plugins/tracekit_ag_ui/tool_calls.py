"""The tool calls of an AG-UI run, whichever events tell them: started and ended, in chunks, or in a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracekit.decoding import Fact, ToolArguments, ToolFinished, ToolResult, ToolStarted, Unreadable
from tracekit_ag_ui.fields import required_text, text_member, tool_call_id
from tracekit_ag_ui.snapshot import tool_calls

__all__ = ["ToolCalls"]

Event = Mapping[str, Any]


class ToolCalls:
    """Turns the events of tool calls into facts; the key of a call is its id."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._answered: set[str] = set()
        self._in_chunks: str | None = None
        self.results: list[dict[str, Any]] = []
        """Every result in the order of arrival: `id` of the call, `content`."""

    @property
    def has_open_chunks(self) -> bool:
        """Whether a call is being told in chunks."""
        return self._in_chunks is not None

    def start(self, event: Event) -> Sequence[Fact]:
        """`TOOL_CALL_START`."""
        key = _required_id(event)
        self._begun.add(key)
        return (ToolStarted(key, key, text_member(event, "toolCallName", "tool_call_name")),)

    def arguments(self, event: Event) -> Sequence[Fact]:
        """`TOOL_CALL_ARGS`. What comes after the end is a repetition."""
        key = _required_id(event)
        text = required_text(event, "delta")
        return () if key in self._ended else (*self._known(key), ToolArguments(key, text))

    def end(self, event: Event) -> Sequence[Fact]:
        """`TOOL_CALL_END`."""
        key = _required_id(event)
        return (*self._known(key), *self._ending(key))

    def chunk(self, event: Event) -> Sequence[Fact]:
        """`TOOL_CALL_CHUNK`, whose first one names the call; the ones that follow may leave the id out."""
        key = tool_call_id(event) or self._in_chunks
        if key is None:
            raise Unreadable("a chunk of no tool call")
        facts: list[Fact] = [] if key == self._in_chunks else [*self.close_chunks()]
        self._in_chunks = key
        name = text_member(event, "toolCallName", "tool_call_name")
        if name or key not in self._begun:
            self._begun.add(key)
            facts.append(ToolStarted(key, key, name))
        if (text := text_member(event, "delta")) and key not in self._ended:
            facts.append(ToolArguments(key, text))
        return facts

    def close_chunks(self) -> Sequence[Fact]:
        """A call told in chunks has no end of its own: whatever comes next ends it."""
        key, self._in_chunks = self._in_chunks, None
        return self._ending(key) if key is not None else ()

    def result(self, event: Event) -> Sequence[Fact]:
        """`TOOL_CALL_RESULT`."""
        key = _required_id(event)
        self._answered.add(key)
        content = event.get("content")
        self.results.append({"id": key, "content": content})
        is_error = text_member(event, "error") is not None
        return (*self._known(key), *self._ending(key), ToolResult(key, content, is_error))

    def of_snapshot(self, messages: Sequence[Event]) -> list[Fact]:
        """Calls and results that only a snapshot tells."""
        facts: list[Fact] = []
        for message in messages:
            for key, name, text in tool_calls(message):
                if key not in self._begun:
                    self._begun.add(key)
                    facts += [ToolStarted(key, key, name), ToolArguments(key, text), *self._ending(key)]
            answered = tool_call_id(message) if message.get("role") == "tool" else None
            if answered is not None and answered not in self._answered:
                facts += self.result(message)
        return facts

    def _known(self, key: str) -> Sequence[Fact]:
        """Nothing for a call that has begun; one that an earlier run began is named here."""
        if key in self._begun:
            return ()
        self._begun.add(key)
        return (ToolStarted(key, key),)

    def _ending(self, key: str) -> Sequence[Fact]:
        if key in self._ended:
            return ()
        self._ended.add(key)
        return (ToolFinished(key),)


def _required_id(event: Event) -> str:
    identifier = tool_call_id(event)
    if identifier is None:
        raise Unreadable("an event of no tool call")
    return identifier
