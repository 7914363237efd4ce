"""The events of a streamed answer of Cohere's chat, version 2, as facts.

Content and calls are told apart by a running number of our own: `index` may be missing, and starts anew with each
message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracekit.decoding import (
    Ended,
    Fact,
    Failed,
    Finished,
    Frame,
    Noted,
    Reasoning,
    Text,
    ToolArguments,
    ToolFinished,
    ToolStarted,
    Unreadable,
    Usage,
)

__all__ = ["ChatV2Decoder"]

_COUNTS = {name: name for name in ("input_tokens", "output_tokens", "reasoning_tokens")}
_BILLED = {"input_tokens": "billed_input_tokens", "output_tokens": "billed_output_tokens"}
_CACHED = {"cached_tokens": "cached_input_tokens"}


class ChatV2Decoder:
    """Decodes one stream of version 2 chat events."""

    wire_format = "cohere-v2"

    def __init__(self) -> None:
        self._plan: list[str] = []
        self._count = 0
        self._calls: dict[int | None, int] = {}
        self._handlers: Mapping[str, Callable[[dict[str, Any]], Sequence[Fact]]] = {
            "content-delta": self._content,
            "content-start": self._content,
            "tool-plan-delta": self._tool_plan,
            "tool-call-start": self._call_start,
            "tool-call-delta": self._call_delta,
            "tool-call-end": self._call_end,
            "message-end": self._message_end,
        }

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one event; none for an event that is not known.

        Raises:
            Unreadable: the frame is no event of Cohere's, or one without what its type promises.
        """
        if frame.data == b"[DONE]":
            return (Ended(),)
        event = frame.object
        kind = event.get("type")
        if not isinstance(kind, str):
            return _failure(event)
        handler = self._handlers.get(kind)
        if handler is None:
            return _failure(event) if kind == "error" else ()
        return handler(event)

    def finish(self) -> Sequence[Fact]:
        """What the model said it would do with its tools, as `tool_plan`."""
        return (Noted("tool_plan", "".join(self._plan)),) if self._plan else ()

    def _content(self, event: dict[str, Any]) -> Sequence[Fact]:
        content = _message(event).get("content")
        if isinstance(content, dict):
            part = _index(event)
            if isinstance(text := content.get("text"), str) and text:
                return (Text(text, part),)
            if isinstance(text := content.get("thinking"), str) and text:
                return (Reasoning(text, part),)
        return ()

    def _tool_plan(self, event: dict[str, Any]) -> Sequence[Fact]:
        if isinstance(text := _message(event).get("tool_plan"), str):
            self._plan.append(text)
        return ()

    def _call_start(self, event: dict[str, Any]) -> Sequence[Fact]:
        self._count += 1
        self._calls[_index(event)] = self._count
        return self._call_facts(event, self._count)

    def _call_delta(self, event: dict[str, Any]) -> Sequence[Fact]:
        number = self._calls.get(_index(event))
        return self._call_start(event) if number is None else self._call_facts(event, number)

    def _call_facts(self, event: dict[str, Any], number: int) -> Sequence[Fact]:
        call = _message(event).get("tool_calls")
        if isinstance(call, list):
            call = call[0] if call else None
        if not isinstance(call, dict):
            return ()
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        facts: list[Fact] = []
        identifier, name, arguments = _word(call.get("id")), _word(function.get("name")), function.get("arguments")
        if identifier or name:
            facts.append(ToolStarted(number, identifier, name))
        if isinstance(arguments, str) and arguments:
            facts.append(ToolArguments(number, arguments))
        return facts

    def _call_end(self, event: dict[str, Any]) -> Sequence[Fact]:
        number = self._calls.pop(_index(event), None)
        return () if number is None else (ToolFinished(number),)

    def _message_end(self, event: dict[str, Any]) -> Sequence[Fact]:
        delta = event.get("delta")
        if not isinstance(delta, dict):
            raise Unreadable("a message-end without its delta")
        facts: list[Fact] = [*_usage(delta.get("usage"))]
        if isinstance(reason := delta.get("finish_reason"), str):
            facts.append(Finished(reason))
        if isinstance(error := delta.get("error"), str):
            facts.append(Failed(error))
        return [*facts, Ended()]


def _message(event: dict[str, Any]) -> dict[str, Any]:
    delta = event.get("delta")
    message = delta.get("message") if isinstance(delta, dict) else None
    if not isinstance(message, dict):
        raise Unreadable("an event without a message in its delta")
    return message


def _usage(usage: object) -> Sequence[Fact]:
    if not isinstance(usage, dict):
        return ()
    told = (
        Usage.renamed(usage.get("tokens"), _COUNTS),
        Usage.renamed(usage.get("billed_units"), _BILLED),
        Usage.renamed(usage, _CACHED),
    )
    return [fact for fact in told if fact.counts]


def _failure(event: dict[str, Any]) -> Sequence[Fact]:
    """An error as Cohere's API words it outside a stream too: a `message` and nothing of an event."""
    message = event.get("message", event.get("error"))
    if not isinstance(message, str):
        raise Unreadable("no event of Cohere's")
    return (Failed(message),)


def _index(event: dict[str, Any]) -> int | None:
    index = event.get("index")
    return index if isinstance(index, int) else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
