"""The events of a streamed answer of Cohere's chat, version 1, as facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.decoding import (
    Ended,
    Fact,
    Failed,
    Finished,
    Frame,
    Text,
    ToolFinished,
    ToolStarted,
    Unreadable,
    Usage,
)

__all__ = ["ChatV1Decoder"]

_COUNTS = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
_BILLED = {"input_tokens": "billed_input_tokens", "output_tokens": "billed_output_tokens"}


class ChatV1Decoder:
    """Decodes one stream of version 1 chat events. Calls are read where they are told whole."""

    wire_format = "cohere-v1"

    def __init__(self) -> None:
        self._count = 0

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one event; none for an event that is not known.

        Raises:
            Unreadable: the frame is no event of Cohere's.
        """
        event = frame.object
        kind = event.get("event_type")
        if kind == "text-generation":
            text = event.get("text")
            return (Text(text),) if isinstance(text, str) else ()
        if kind == "tool-calls-generation":
            return self._calls(event.get("tool_calls"))
        if kind == "stream-end":
            return _stream_end(event)
        if isinstance(kind, str):
            return ()
        raise Unreadable("an event without an event_type")

    def finish(self) -> Sequence[Fact]:
        """Nothing is left to say."""
        return ()

    def _calls(self, calls: object) -> Sequence[Fact]:
        facts: list[Fact] = []
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._count += 1
                name, parameters = call.get("name"), call.get("parameters")
                facts.append(ToolStarted(self._count, name=name if isinstance(name, str) else None))
                facts.append(ToolFinished(self._count, {} if parameters is None else parameters))
        return facts


def _stream_end(event: dict[str, Any]) -> Sequence[Fact]:
    """The end, with the whole response once more, of which only the counts are new."""
    facts: list[Fact] = []
    response = event.get("response")
    meta = response.get("meta") if isinstance(response, dict) else None
    if isinstance(meta, dict):
        told = Usage.renamed(meta.get("tokens"), _COUNTS), Usage.renamed(meta.get("billed_units"), _BILLED)
        facts += [fact for fact in told if fact.counts]
    if isinstance(reason := event.get("finish_reason"), str):
        facts.append(Finished(reason))
        if reason.startswith("ERROR"):
            message = event.get("error")
            facts.append(Failed(message if isinstance(message, str) else reason, reason))
    return [*facts, Ended()]
