"""The tool calls of one message, told in pieces or whole, and often both."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tracekit.decoding import Fact, ToolArguments, ToolFinished, ToolStarted
from tracekit_langchain.message import text_member

__all__ = ["Call", "MessageCalls"]


@dataclass(slots=True)
class Call:
    """A call while it is told; `arguments` stays `...` where only pieces tell them."""

    key: Hashable
    id: str | None = None
    name: str | None = None
    arguments: Any = ...
    ended: bool = False
    answered: bool = False

    def started(self, identifier: str | None, name: str | None) -> list[Fact]:
        """What of the call's head is new."""
        if (self.id or not identifier) and (self.name or not name):
            return []
        self.id, self.name = self.id or identifier, self.name or name
        return [ToolStarted(self.key, identifier, name)]

    def end(self) -> list[Fact]:
        """Its arguments are complete. Said once."""
        if self.ended:
            return []
        self.ended = True
        return [ToolFinished(self.key, self.arguments)]


class MessageCalls:
    """The calls of one message. `by_id` is shared by all messages, so that results find their call."""

    def __init__(self, message: Hashable, by_id: dict[str, Call]) -> None:
        self._message = message
        self._by_id = by_id
        self._calls: dict[Hashable, Call] = {}
        self._open: list[Call] = []
        self._last: Call | None = None
        self._count = 0

    def __contains__(self, identifier: object) -> bool:
        return isinstance(identifier, str) and identifier in self._calls

    def add_pieces(self, pieces: Any) -> list[Fact]:
        """`tool_call_chunks`: pieces of one `index` belong together, unless the id changes."""
        facts: list[Fact] = []
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                facts += self._add_piece(piece)
        return facts

    def _add_piece(self, piece: Mapping[str, Any]) -> list[Fact]:
        identifier, name = text_member(piece, "id"), text_member(piece, "name")
        call = self._call_of_piece(piece.get("index"), identifier)
        facts = call.started(identifier, name)
        if (text := text_member(piece, "args")) and not call.ended:
            facts.append(ToolArguments(call.key, text))
        return facts

    def _call_of_piece(self, index: Any, identifier: str | None) -> Call:
        slot = ("index", index) if isinstance(index, int | str) else None
        call = self._calls.get(slot) if slot else None
        if slot is None:
            call = self._calls.get(identifier) if identifier else self._last
        if call is None or (identifier and call.id and call.id != identifier):
            call = self._begin(identifier)
        self._calls[slot or call.key] = self._last = call
        self._register(call, identifier)
        return call

    def add_whole(self, message: Mapping[str, Any]) -> list[Fact]:
        """`tool_calls`, whose arguments are parsed, and `invalid_tool_calls`, whose arguments are text."""
        facts: list[Fact] = []
        for place, told in enumerate(_told_whole(message)):
            facts += self._add_told(place, told)
        return facts

    def _add_told(self, place: int, told: Mapping[str, Any]) -> list[Fact]:
        identifier = text_member(told, "id")
        reference: Hashable = identifier or ("index", place)
        call = self._calls.get(reference)
        if call is None:
            call = self._calls[reference] = self._begin(identifier)
            self._register(call, identifier)
        if not call.ended:
            call.arguments = told.get("args", ...)
        return call.started(identifier, text_member(told, "name"))

    def end(self) -> list[Fact]:
        """The message is complete, and so are the arguments of its calls."""
        ending, self._open = self._open, []
        return [fact for call in ending for fact in call.end()]

    def _begin(self, identifier: str | None) -> Call:
        self._count += 1
        call = Call((self._message, identifier or self._count))
        self._open.append(call)
        return call

    def _register(self, call: Call, identifier: str | None) -> None:
        if identifier is not None:
            self._calls[identifier] = self._by_id[identifier] = call


def _told_whole(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("tool_calls", "invalid_tool_calls"):
        calls = message.get(name)
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and text_member(call, "id", "name"):
                yield call
