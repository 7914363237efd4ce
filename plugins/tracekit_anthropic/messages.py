"""The events of a streamed Anthropic message, as facts.

An answer is a row of content blocks. They are told apart by a running number of our own, not by `index`: proxies
number every block 0, and several messages in one body start anew.
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
    ModelNamed,
    Noted,
    Reasoning,
    Refusal,
    Text,
    ToolArguments,
    Unreadable,
    Usage,
)
from tracekit_anthropic.blocks import Block, Blocks

__all__ = ["MessagesDecoder"]

_COUNTS = {
    name: name for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
}
_COUNTS_IN_DETAIL = {"thinking_tokens": "reasoning_tokens"}


class MessagesDecoder:
    """Decodes one stream of Messages events; the text completions before them are read as well."""

    wire_format = "anthropic"

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._message_id: str | None = None
        self._has_message = False
        self._handlers: Mapping[str, Callable[[dict[str, Any]], Sequence[Fact]]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": _message_stop,
            "completion": _completion,
            "error": _error,
        }

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one event; none for an event that is not known.

        Raises:
            Unreadable: the frame is no Anthropic event, or one without what its type promises.
        """
        if frame.data == b"[DONE]":  # some proxies end every stream as OpenAI does
            return (Ended(),)
        event = frame.object
        kind = event.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is not None:
            return handler(event)
        if "error" in event:
            return _error(event)
        if not isinstance(kind, str):
            raise Unreadable("an event without a type")
        return ()

    def finish(self) -> Sequence[Fact]:
        """The types of the content blocks in order, as `blocks`."""
        return (Noted("blocks", self._blocks.types),) if self._has_message or self._blocks.types else ()

    def _message_start(self, event: dict[str, Any]) -> Sequence[Fact]:
        message = _object(event, "message")
        identifier = message.get("id")
        if self._has_message and identifier == self._message_id:
            return ()
        self._has_message, self._message_id = True, identifier if isinstance(identifier, str) else None
        self._blocks.begin_message()
        model = message.get("model")
        named = (ModelNamed(model),) if isinstance(model, str) else ()
        return (*named, *_usage(message.get("usage")))

    def _block_start(self, event: dict[str, Any]) -> Sequence[Fact]:
        return self._blocks.start(event.get("index"), _object(event, "content_block"))

    def _block_stop(self, event: dict[str, Any]) -> Sequence[Fact]:
        return self._blocks.stop(event.get("index"))

    def _delta(self, event: dict[str, Any]) -> Sequence[Fact]:
        delta = event.get("delta")
        if not isinstance(delta, dict):
            raise Unreadable("a delta event without its delta")
        block, kind = self._blocks.at(event.get("index")), delta.get("type")
        if kind == "text_delta" and isinstance(text := delta.get("text"), str):
            return (Text(text, block.number),)
        if kind == "input_json_delta" and isinstance(text := delta.get("partial_json"), str):
            return _arguments(block, text)
        if kind == "thinking_delta" and isinstance(text := delta.get("thinking"), str):
            return (Reasoning(text, block.number),)
        return ()

    def _message_delta(self, event: dict[str, Any]) -> Sequence[Fact]:
        delta = _object(event, "delta")
        facts: list[Fact] = [*_usage(event.get("usage"))]
        reason = delta.get("stop_reason")
        if isinstance(reason, str):
            facts.append(Finished(reason))
        if isinstance(sequence := delta.get("stop_sequence"), str):
            facts.append(Noted("stop_sequence", sequence))
        if reason == "refusal":
            facts.append(_refusal(delta.get("stop_details")))
        return facts


def _arguments(block: Block, text: str) -> Sequence[Fact]:
    if not text or not block.takes_arguments:
        return ()
    block.has_pieces = True
    return (ToolArguments(block.number, text),)


def _message_stop(_event: dict[str, Any]) -> Sequence[Fact]:
    return (Ended(),)


def _completion(event: dict[str, Any]) -> Sequence[Fact]:
    facts: list[Fact] = []
    if isinstance(model := event.get("model"), str):
        facts.append(ModelNamed(model))
    if isinstance(text := event.get("completion"), str):
        facts.append(Text(text))
    if isinstance(reason := event.get("stop_reason"), str):
        facts += [Finished(reason), Ended()]
    if isinstance(sequence := event.get("stop"), str):
        facts.append(Noted("stop_sequence", sequence))
    return facts


def _error(event: dict[str, Any]) -> Sequence[Fact]:
    error = event.get("error", event)
    if isinstance(error, str):
        return (Failed(error),)
    if not isinstance(error, dict):
        raise Unreadable("an error event without an error")
    message, code = error.get("message"), error.get("type")
    code = code if isinstance(code, str) and code != "error" else None
    return (Failed(message if isinstance(message, str) and message else code or "error", code),)


def _refusal(details: object) -> Refusal:
    explanation = details.get("explanation") if isinstance(details, dict) else None
    category = details.get("category") if isinstance(details, dict) else None
    return Refusal(
        explanation if isinstance(explanation, str) else "",
        category if isinstance(category, str) else "refusal",
    )


def _usage(usage: object) -> Sequence[Fact]:
    """A message's counts. Those of a later event are totals and replace the earlier ones, where it has them."""
    details = usage.get("output_tokens_details") if isinstance(usage, dict) else None
    told = Usage.renamed(usage, _COUNTS), Usage.renamed(details, _COUNTS_IN_DETAIL)
    return [fact for fact in told if fact.counts]


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"an event without its {name}")
    return value
