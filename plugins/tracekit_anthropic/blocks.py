"""The content blocks of a streamed message: which are open, which are calls, which answer a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracekit.decoding import Fact, ModelNamed, Reasoning, Text, ToolFinished, ToolResult, ToolStarted

__all__ = ["Block", "Blocks"]


@dataclass(slots=True)
class Block:
    """One content block; `number` counts through the stream and names a call."""

    number: int
    kind: str = ""
    id: str | None = None
    input: Any = None
    is_call: bool = False
    has_pieces: bool = False
    is_open: bool = True

    @property
    def takes_arguments(self) -> bool:
        """Whether a piece of JSON belongs to a call; so it does where the beginning of the block was not seen."""
        return self.is_call or not self.kind


class Blocks:
    """The blocks of one stream in the order in which they began."""

    def __init__(self) -> None:
        self.types: list[str] = []
        self._count = 0
        self._at: dict[int | None, Block] = {}
        self._calls: dict[str, int] = {}

    def begin_message(self) -> None:
        """Another message begins, and numbers its blocks anew."""
        self._at.clear()

    def at(self, index: object) -> Block:
        """The block that `index` names now; a new one where its beginning was not seen."""
        place = index if isinstance(index, int) else None
        block = self._at.get(place)
        if block is None:
            block = self._at[place] = Block(self._next_number())
        return block

    def start(self, index: object, content: dict[str, Any]) -> Sequence[Fact]:
        """A block begins. One that is open already and begins again, as proxies make it, is told once."""
        kind, identifier = _word(content.get("type")) or "unknown", _word(content.get("id"))
        place = index if isinstance(index, int) else None
        before = self._at.get(place)
        if before is not None and before.is_open and (before.kind, before.id) == (kind, identifier):
            return ()
        block = self._at[place] = Block(self._next_number(), kind, identifier, content.get("input"))
        self.types.append(kind)
        return self._first_facts(block, content)

    def stop(self, index: object) -> Sequence[Fact]:
        """A block is complete, and with it a call's arguments: its pieces, or else the input that it began with."""
        block = self.at(index)
        block.is_open = False
        if not block.is_call:
            return ()
        whole_from_start = not block.has_pieces and block.input is not None
        return (ToolFinished(block.number, block.input) if whole_from_start else ToolFinished(block.number),)

    def _next_number(self) -> int:
        self._count += 1
        return self._count

    def _first_facts(self, block: Block, content: dict[str, Any]) -> Sequence[Fact]:
        if block.kind.endswith("tool_use"):
            return self._call(block, content)
        if "tool_use_id" in content:
            return self._result(content)
        if block.kind == "text" and (text := _word(content.get("text"))):
            return (Text(text, block.number),)
        if block.kind == "thinking" and (text := _word(content.get("thinking"))):
            return (Reasoning(text, block.number),)
        if block.kind == "fallback" and isinstance(target := content.get("to"), dict):
            return (ModelNamed(_word(target.get("model")) or "", supersedes=True),)
        return ()

    def _call(self, block: Block, content: dict[str, Any]) -> Sequence[Fact]:
        block.is_call = True
        if block.id:
            self._calls[block.id] = block.number
        kind = "client" if block.kind == "tool_use" else block.kind
        return (ToolStarted(block.number, block.id, _word(content.get("name")), kind),)

    def _result(self, content: dict[str, Any]) -> Sequence[Fact]:
        """What a call of this stream was answered. After `pause_turn` the call may stand in an earlier response."""
        number = self._calls.get(_word(content.get("tool_use_id")) or "")
        if number is None:
            return ()
        result = content.get("content")
        failed = content.get("is_error") is True or (isinstance(result, dict) and "error_code" in result)
        return (ToolResult(number, result, failed),)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None
