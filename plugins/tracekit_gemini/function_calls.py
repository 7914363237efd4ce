"""Function calls: most come whole; Gemini 3 can stream their arguments in pieces that name a JSON path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tracekit import json_text
from tracekit.decoding import Fact, ToolArguments, ToolFinished, ToolStarted
from tracekit_gemini.partial_arguments import PartialArguments

__all__ = ["FunctionCalls"]


@dataclass(slots=True)
class _Call:
    number: int
    id: str | None
    name: str | None
    whole: Any = None
    pieces: PartialArguments = field(default_factory=PartialArguments)

    def goes_on_with(self, identifier: str | None, name: str | None) -> bool:
        return (identifier is None or identifier == self.id) and (name is None or name == self.name)

    def arguments(self) -> Any:
        """What is known of them: those stated whole, and over them those that came in pieces."""
        if self.pieces:
            return {**(self.whole if isinstance(self.whole, dict) else {}), **self.pieces.value()}
        return {} if self.whole is None else self.whole


class FunctionCalls:
    """The function calls of one stream. At most one call of each candidate is open at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[int, _Call] = {}

    def add(self, told: dict[str, Any], choice: int) -> Sequence[Fact]:
        """The facts of one `functionCall`: a whole call, the beginning of one, or more of the one that is open."""
        identifier, name = _word(told.get("id")), _word(told.get("name"))
        call = self._open.get(choice)
        facts: list[Fact] = []
        if call is None or not call.goes_on_with(identifier, name):
            if not told:
                return ()
            facts += self.close(choice)
            self._count += 1
            call = self._open[choice] = _Call(self._count, identifier, name)
            facts.append(ToolStarted(self._key(call), identifier, name, choice=choice))
        if (whole := told.get("args")) is not None:
            call.whole = whole
        call.pieces.add(told.get("partialArgs"))
        if told.get("willContinue") is not True:
            facts += self.close(choice)
        return facts

    def close(self, choice: int) -> Sequence[Fact]:
        """The open call of a candidate is complete."""
        call = self._open.pop(choice, None)
        return (ToolFinished(self._key(call), call.arguments()),) if call else ()

    def unfinished(self) -> Sequence[Fact]:
        """What is known of the arguments of calls that the end of the stream cut off."""
        return [ToolArguments(self._key(call), json_text.encode(call.arguments())) for call in self._open.values()]

    @staticmethod
    def _key(call: _Call) -> tuple[str, int]:
        return "function", call.number


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
