"""Messages put together from whatever a stream tells of them: pieces, growing snapshots, whole states.

The same message is told many times, so it is known by its id, and of what is told again only the part beyond the
length already told is new. Nothing is joined twice: the cost is linear in the length of the stream.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracekit.decoding import Fact, Finished, ModelNamed, Noted, Reasoning, Text, ToolResult, Usage
from tracekit_langchain.message import (
    Kind,
    content_text,
    finish_reason,
    kind_of,
    message_id,
    model_name,
    tells_more_than_provider,
    text_member,
    token_counts,
)
from tracekit_langchain.tool_calls import Call, MessageCalls

__all__ = ["Conversation"]

# How many of the latest messages a whole one is compared with where its id is new.
_MOST_COMPARED = 8

Message = Mapping[str, Any]


@dataclass(slots=True)
class _Told:
    """What has been told of one message: lengths in characters, and a checksum of the text."""

    key: Hashable
    calls: MessageCalls
    text: int = 0
    checksum: int = 0
    reasoning: int = 0
    in_pieces: bool = False
    model: str | None = None
    finish: str | None = None
    counts: dict[str, int | float] | None = None


class Conversation:
    """The messages of one stream.

    Notes `tool_results` (`id`, `content`) and `usage_per_message` (`input_tokens`, `output_tokens`) at the end; token
    counts of the whole stream are the sum over its messages.
    """

    def __init__(self) -> None:
        self._messages: dict[Hashable, _Told] = {}
        self._recent: deque[_Told] = deque(maxlen=_MOST_COMPARED)
        self._calls: dict[str, Call] = {}
        self._history: set[Hashable] = set()
        self._answered: set[Hashable] = set()
        self._results: list[dict[str, Any]] = []
        self._totals: dict[str, int | float] = {}
        self._model: str | None = None
        self.has_spoken = False
        """Whether any text has been told."""

    def add(self, message: Message, place: Hashable = None) -> Sequence[Fact]:
        """A message that is a piece or whole, as its kind says. `place` stands for an id where it has none."""
        if kind_of(message) is Kind.CHUNK:
            return self.add_piece(message)
        return self.add_told(message, place)

    def add_told(self, message: Message, place: Hashable = None, complete: bool = True) -> Sequence[Fact]:
        """A message of a state or an output: it is told from its beginning, whatever its type says."""
        kind = kind_of(message)
        if kind is Kind.AI or kind is Kind.CHUNK:
            return self.add_whole(message, place, complete)
        return self.add_result(message) if kind is Kind.TOOL else ()

    def add_piece(self, message: Message) -> Sequence[Fact]:
        """A piece, to be put behind what was told of its message."""
        told = self._told(message_id(message))
        told.in_pieces = True
        text, reasoning = content_text(message)
        facts: list[Fact] = []
        if reasoning:
            facts += self._reasoned(told, reasoning)
        if text:
            facts += self._said(told, text)
        if pieces := message.get("tool_call_chunks"):
            facts += told.calls.add_pieces(pieces)
        elif message.get("tool_calls"):
            facts += told.calls.add_whole(message)
        if message.get("usage_metadata"):
            facts += self._count(told, _sum(told.counts or {}, token_counts(message)))
        if tells_more_than_provider(message):
            facts += self._ending(told, message)
        return facts

    def add_whole(self, message: Message, place: Hashable = None, complete: bool = True) -> Sequence[Fact]:
        """A message told from its beginning; `complete` where it will not grow any more."""
        key = message_id(message) or place
        if key in self._history:
            return ()
        text, reasoning = content_text(message)
        told = self._messages.get(key) or self._same(message, text) or self._told(key)
        self._messages[key] = told
        told.in_pieces = False
        facts: list[Fact] = []
        if len(reasoning) > told.reasoning:
            facts += self._reasoned(told, reasoning[told.reasoning :])
        if len(text) > told.text:
            facts += self._said(told, text[told.text :])
        facts += told.calls.add_whole(message)
        facts += self._count(told, token_counts(message))
        facts += self._ending(told, message)
        return facts + told.calls.end() if complete else facts

    def add_result(self, message: Message) -> Sequence[Fact]:
        """What a tool answered; told again, it says nothing new."""
        identifier = text_member(message, "tool_call_id")
        own_id = message_id(message)
        if identifier is None or own_id in self._answered:
            return ()
        call = self._calls.get(identifier)
        if call is None:
            call = self._calls[identifier] = Call(("result", identifier), ended=True)
        if call.answered:
            return ()
        call.answered = True
        if own_id is not None:
            self._answered.add(own_id)
        content = message.get("content")
        if isinstance(content, list):
            content = content_text(message)[0] or content
        self._results.append({"id": identifier, "content": content})
        facts = [*call.started(identifier, text_member(message, "name")), *call.end()]
        return [*facts, ToolResult(call.key, content, message.get("status") == "error")]

    def set_aside(self, message: Message, place: Hashable) -> None:
        """A message from before this run: it is no answer when it is told again."""
        key = message_id(message) or place
        if key not in self._messages:
            self._history.add(key)
        identifier = text_member(message, "tool_call_id")
        if identifier is not None and identifier not in self._calls:
            self._calls[identifier] = Call(("result", identifier), ended=True, answered=True)

    def name_model(self, name: str | None) -> None:
        """The model that was asked, for streams whose messages do not name the one that answered."""
        self._model = self._model or name

    def finish(self) -> Sequence[Fact]:
        """What is known only at the end."""
        facts = [fact for told in self._messages.values() for fact in told.calls.end()]
        if self._model:
            facts.append(ModelNamed(self._model))
        if self._results:
            facts.append(Noted("tool_results", self._results))
        counted = {id(told): told.counts for told in self._messages.values() if told.counts}
        if counted:
            facts.append(Noted("usage_per_message", [_in_and_out(counts) for counts in counted.values()]))
        return facts

    def _told(self, key: Hashable) -> _Told:
        told = self._messages.get(key)
        if told is None:
            told = self._messages[key] = _Told(key, MessageCalls(key, self._calls))
            self._recent.append(told)
        return told

    def _same(self, message: Message, text: str) -> _Told | None:
        """The message that was streamed under another id: OpenAI's Responses ids replace LangChain's in the end."""
        calls = message.get("tool_calls")
        ids = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        for told in self._recent:
            if not told.in_pieces:
                continue
            if text and told.text == len(text) and told.checksum == _checksum(text, 0):
                return told
            if any(identifier in told.calls for identifier in ids):
                return told
        return None

    def _said(self, told: _Told, text: str) -> Sequence[Fact]:
        self.has_spoken = True
        told.text += len(text)
        told.checksum = _checksum(text, told.checksum)
        return (Text(text, told.key),)

    def _reasoned(self, told: _Told, text: str) -> Sequence[Fact]:
        told.reasoning += len(text)
        return (Reasoning(text, told.key),)

    def _count(self, told: _Told, counts: dict[str, int | float]) -> Sequence[Fact]:
        if not counts or counts == told.counts:
            return ()
        before, told.counts = told.counts or {}, counts
        for name, count in counts.items():
            self._totals[name] = self._totals.get(name, 0) + count - before.get(name, 0)
        # A sum may be too large where its parts were not.
        return (Usage.renamed(self._totals, {name: name for name in self._totals}),)

    def _ending(self, told: _Told, message: Message) -> list[Fact]:
        """Model and finish reason; with a reason, the arguments of the calls are complete."""
        facts: list[Fact] = []
        if told.model is None and (model := model_name(message)):
            told.model = model
            facts.append(ModelNamed(model))
        reason = finish_reason(message)
        if reason is not None and reason != told.finish:
            told.finish = reason
            facts += [*told.calls.end(), Finished(reason)]
        return facts


def _checksum(text: str, before: int) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"), before)


def _sum(counts: Mapping[str, int | float], more: Mapping[str, int | float]) -> dict[str, int | float]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}


def _in_and_out(counts: Mapping[str, int | float]) -> dict[str, int | float]:
    return {name: counts[name] for name in ("input_tokens", "output_tokens") if name in counts}
