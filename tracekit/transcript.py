"""Facts gathered into what a stream said: a `Summary`.

Pieces are collected in lists and joined once, so the cost is linear in the length of the stream however it is cut.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tracekit import json_text
from tracekit.decoding import (
    Ended,
    Fact,
    Failed,
    Finished,
    ModelNamed,
    Noted,
    Reasoning,
    Refusal,
    Text,
    ToolArguments,
    ToolFinished,
    ToolResult,
    ToolStarted,
    Usage,
)

__all__ = ["Choice", "StreamFailure", "Summary", "ToolCall", "Transcript"]


@dataclass(slots=True)
class ToolCall:
    """One call of a tool as the stream told it. `arguments` is parsed JSON, or text where it is no JSON."""

    id: str | None = None
    name: str | None = None
    arguments: Any = None
    arguments_raw: str = ""
    kind: str | None = None
    result: Any = None
    is_error: bool = False
    has_result: bool = False
    choice: int = 0


@dataclass(frozen=True, slots=True)
class StreamFailure:
    """An error that the stream itself reported."""

    message: str
    code: str | None = None


@dataclass(slots=True)
class Choice:
    """One of several parallel answers."""

    text: str = ""
    reasoning: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None


@dataclass(slots=True)
class Summary:
    """What a stream said. A field is None where the stream did not say it: never 0, never invented."""

    text: str = ""
    text_parts: list[str] = field(default_factory=list)
    reasoning: str | None = None
    reasoning_parts: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: dict[str, int | float] | None = None
    finish_reason: str | None = None
    model: str | None = None
    refusal: str | None = None
    error: StreamFailure | None = None
    ended: bool = False
    choices: list[Choice] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


_Pieces = dict[tuple[int, Hashable], list[str]]
"""Text in pieces, by choice and part; both keep the order in which they began."""


def _add_piece(pieces: _Pieces, fact: Text | Reasoning) -> None:
    text = fact.text
    if type(text) is not str:
        raise TypeError(f"text expected, not {type(text).__name__}")
    place = (fact.choice, fact.part)
    if place in pieces:
        pieces[place].append(text)
    else:
        pieces[place] = [text]


def _parts(pieces: _Pieces, choice: int) -> list[str]:
    return [text for (number, _), parts in pieces.items() if number == choice and (text := "".join(parts))]


class _Call:
    """A tool call while its pieces arrive."""

    __slots__ = ("call", "pieces", "value")

    def __init__(self, choice: int) -> None:
        self.call = ToolCall(choice=choice)
        self.pieces: list[str] = []
        self.value: Any = ...

    def build(self) -> ToolCall:
        self.call.arguments_raw = "".join(self.pieces)
        self.call.arguments = _parsed(self.call.arguments_raw) if self.value is ... else self.value
        return self.call


class Transcript:
    """Takes the facts of one stream in order and says at any time what they amount to."""

    def __init__(self) -> None:
        self._text: _Pieces = {}
        self._reasoning: _Pieces = {}
        self._calls: dict[Hashable, _Call] = {}
        self._finish: dict[int, str] = {}
        self._refusal: list[str] = []
        self._refusal_reason: str | None = None
        self._usage: dict[str, int | float] = {}
        self._model: str | None = None
        self._failure: StreamFailure | None = None
        self._ended = False
        self._extra: dict[str, Any] = {}

    def add_all(self, facts: Iterable[Fact]) -> None:
        """Take facts in order.

        Raises:
            TypeError: one is no fact, or its text is no text; those before it are taken.
        """
        choice: int | None = None
        part: Hashable = None
        pieces: list[str] = []
        for fact in facts:
            if type(fact) is not Text:
                self.add(fact)
            elif fact.choice == choice and fact.part == part and type(fact.text) is str:
                # Nearly always it belongs to the same part as the text before.
                pieces.append(fact.text)
            else:
                _add_piece(self._text, fact)
                choice, part = fact.choice, fact.part
                pieces = self._text[choice, part]

    def add(self, fact: Fact) -> None:
        """Take one fact.

        Raises:
            TypeError: it is no fact, or its text is no text.
        """
        match fact:
            case Text():
                _add_piece(self._text, fact)
            case Reasoning():
                _add_piece(self._reasoning, fact)
            case ToolStarted() | ToolArguments() | ToolFinished() | ToolResult():
                self._add_to_call(fact)
            case Usage():
                self._usage.update({name: count for name, count in fact.counts.items() if count is not None})
            case ModelNamed():
                if fact.model and (fact.supersedes or not self._model):
                    self._model = fact.model
            case Finished():
                self._finish[fact.choice] = fact.reason
            case Refusal():
                self._refusal.append(fact.text)
                self._refusal_reason = fact.reason or self._refusal_reason
            case Failed():
                self._failure = self._failure or StreamFailure(fact.message, fact.code)
            case Noted():
                self._extra[fact.name] = fact.value
            case Ended():
                self._ended = True
            case _:
                raise TypeError(f"{type(fact).__name__} is no fact")

    def _add_to_call(self, fact: ToolStarted | ToolArguments | ToolFinished | ToolResult) -> None:
        entry = self._calls.get(fact.key)
        if entry is None:
            entry = self._calls[fact.key] = _Call(fact.choice if isinstance(fact, ToolStarted) else 0)
        match fact:
            case ToolStarted():
                entry.call.id = entry.call.id or fact.id or None
                entry.call.name = entry.call.name or fact.name or None
                entry.call.kind = entry.call.kind or fact.kind
            case ToolArguments():
                entry.pieces.append(fact.text)
            case ToolFinished():
                entry.value = fact.arguments if fact.arguments is not ... else entry.value
            case ToolResult():
                entry.call.result, entry.call.is_error, entry.call.has_result = fact.result, fact.is_error, True

    @property
    def model(self) -> str | None:
        """The model that answers, as far as it is known."""
        return self._model

    def call(self, key: Hashable) -> ToolCall:
        """The call that the decoder names `key`, as far as it is known; its arguments joined and parsed.

        Raises:
            KeyError: no fact named this key.
        """
        return self._calls[key].build()

    def summary(self) -> Summary:
        """What the facts so far amount to."""
        calls = [entry.build() for entry in self._calls.values()]
        choices = [self._choice(number, calls) for number in self._choice_numbers(calls)]
        first = choices[0]
        return Summary(
            text=first.text,
            text_parts=_parts(self._text, 0),
            reasoning=first.reasoning,
            reasoning_parts=_parts(self._reasoning, 0),
            tool_calls=first.tool_calls,
            usage=dict(self._usage) or None,
            finish_reason=first.finish_reason,
            model=self._model,
            refusal="".join(self._refusal) or self._refusal_reason,
            error=self._failure,
            ended=self._ended,
            choices=choices if len(choices) > 1 else [],
            extra=dict(self._extra),
        )

    def _choice_numbers(self, calls: list[ToolCall]) -> list[int]:
        said = {choice for choice, _ in (*self._text, *self._reasoning)}
        seen = {0, *said, *self._finish, *(call.choice for call in calls)}
        return sorted(seen)

    def _choice(self, number: int, calls: list[ToolCall]) -> Choice:
        return Choice(
            text="".join(_parts(self._text, number)),
            reasoning="".join(_parts(self._reasoning, number)) or None,
            tool_calls=[call for call in calls if call.choice == number],
            finish_reason=self._finish.get(number),
        )


def _parsed(raw: str) -> Any:
    """A call's arguments: an empty text is a call without arguments; text that is no JSON stays text."""
    if not raw.strip():
        return {}
    try:
        return json_text.decode(raw)
    except ValueError:
        return raw
