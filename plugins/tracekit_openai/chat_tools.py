"""Tool calls of Chat Completions: which pieces belong to one call.

The pieces of a call share `index`, but not everybody numbers calls: Mistral leaves the index out, and gateways in
front of Gemini give every parallel call the index 0. Others repeat id and name with each piece (Kimi), or send empty
ones (GLM). So a piece begins another call when it names a function together with an id that its slot does not know;
without ids, when the name or the JSON text could not go on like that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from tracekit import json_text
from tracekit.decoding import Fact, ToolArguments, ToolFinished, ToolStarted

__all__ = ["ChatToolCalls"]


@dataclass(slots=True)
class _OpenCall:
    key: Hashable
    choice: int
    kind: str
    id: str | None = None
    name: str | None = None
    last_character: str = ""
    """Of the arguments so far."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One element of `delta.tool_calls`; what is empty is None."""

    index: int | None
    id: str | None
    name: str | None
    kind: str
    arguments: str


class ChatToolCalls:
    """The tool calls of one stream while their pieces arrive."""

    def __init__(self) -> None:
        self._slots: dict[Hashable, _OpenCall] = {}
        self._by_id: dict[Hashable, _OpenCall] = {}
        self._unfinished: dict[int, list[_OpenCall]] = {}
        self._serial = 0

    def feed(self, pieces: Any, choice: int) -> Iterator[Fact]:
        """The facts of `delta.tool_calls`; a single call that is not in a list is taken as a list of one."""
        for value in pieces if isinstance(pieces, list) else (pieces,):
            if isinstance(value, dict):
                yield from self._take(_piece(value), choice, None)

    def feed_function_call(self, value: Any, choice: int) -> Iterator[Fact]:
        """The facts of `delta.function_call`, the form before there were tools: one call, without an id."""
        if isinstance(value, dict):
            yield from self._take(_piece({"function": value}), choice, "function_call")

    def finish(self, choice: int) -> Iterator[Fact]:
        """Say of the calls of one choice that their arguments are complete."""
        return (ToolFinished(call.key) for call in self._unfinished.pop(choice, ()))

    def finish_all(self) -> Iterator[Fact]:
        """Say of every call that its arguments are complete."""
        return (fact for choice in [*self._unfinished] for fact in self.finish(choice))

    def _take(self, piece: _Piece, choice: int, slot_name: str | None) -> Iterator[Fact]:
        call = self._call_of(piece, choice, (choice, slot_name or piece.index))
        if call is None:
            call = self._slots[choice, slot_name or piece.index] = self._begin(choice, piece.kind)
            yield self._learn(call, piece)
        elif (piece.id and not call.id) or (piece.name and not call.name):
            yield self._learn(call, piece)
        if piece.arguments:
            call.last_character = piece.arguments.rstrip()[-1:] or call.last_character
            yield ToolArguments(call.key, piece.arguments)

    def _call_of(self, piece: _Piece, choice: int, slot: Hashable) -> _OpenCall | None:
        """The call that a piece goes on with; None where it begins one."""
        call = self._slots.get(slot)
        if call is None:
            return None
        if piece.id and call.id and piece.id != call.id:
            return self._by_id.get((choice, piece.id)) or (None if piece.name else call)
        return None if piece.name and not piece.id and _begins_anew(call, piece) else call

    def _begin(self, choice: int, kind: str) -> _OpenCall:
        call = _OpenCall((choice, self._serial), choice, kind)
        self._serial += 1
        self._unfinished.setdefault(choice, []).append(call)
        return call

    def _learn(self, call: _OpenCall, piece: _Piece) -> ToolStarted:
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        if call.id:
            self._by_id[call.choice, call.id] = call
        return ToolStarted(call.key, call.id, call.name, call.kind, call.choice)


def _begins_anew(call: _OpenCall, piece: _Piece) -> bool:
    """Whether a piece that names a function, but has no id, cannot go on with a call."""
    if call.name and piece.name != call.name:
        return bool(call.last_character)
    # In JSON nothing opens where something closed, without a comma between them.
    return call.last_character == "}" and piece.arguments.lstrip().startswith("{")


def _piece(value: dict[str, Any]) -> _Piece:
    custom = value.get("custom")
    body, kind, given = (custom, "custom", "input") if custom else (value.get("function"), "function", "arguments")
    if not isinstance(body, dict):
        body = {}
    index = value.get("index")
    return _Piece(
        index=index if isinstance(index, int) else None,
        id=_word(value.get("id")),
        name=_word(body.get("name")),
        kind=kind,
        arguments=_arguments(body.get(given)),
    )


def _word(value: Any) -> str | None:
    # Mistral writes the text "null" for a call that has no id.
    return value if isinstance(value, str) and value and value != "null" else None


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json_text.encode(value)
