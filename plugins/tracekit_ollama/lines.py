"""The lines of a streamed Ollama answer, as facts. Thoughts that a model writes as `<think>` in its answer stay text:
Ollama did not tell them apart, and neither do its own clients."""

from __future__ import annotations

from collections.abc import Sequence
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
    Text,
    ToolArguments,
    ToolFinished,
    ToolStarted,
    Unreadable,
    Usage,
)

__all__ = ["OllamaDecoder"]

_COUNTS = {"prompt_eval_count": "input_tokens", "eval_count": "output_tokens"}


class OllamaDecoder:
    """Decodes one stream of `/api/chat` or `/api/generate`."""

    wire_format = "ollama"

    def __init__(self) -> None:
        self._calls = 0
        self._endpoint: str | None = None
        self._model: str | None = None

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one line.

        Raises:
            Unreadable: the frame is no line of Ollama's.
        """
        line = frame.object
        facts: list[Fact] = []
        message = line.get("message")
        if isinstance(message, dict):
            self._endpoint = "chat"
            self._message(message, "content", facts)
        elif "response" in line:
            self._endpoint = "generate"
            self._message(line, "response", facts)
        elif "error" not in line and "done" not in line:
            raise Unreadable("nothing of an answer is in it")
        self._about(line, facts)
        return facts

    def finish(self) -> Sequence[Fact]:
        """Which of the two endpoints answered, as `endpoint`."""
        return (Noted("endpoint", self._endpoint),) if self._endpoint else ()

    def _message(self, message: dict[str, Any], answer: str, facts: list[Fact]) -> None:
        thought, text, calls = message.get("thinking"), message.get(answer), message.get("tool_calls")
        if thought and isinstance(thought, str):
            facts.append(Reasoning(thought))
        if text and isinstance(text, str):
            facts.append(Text(text))
        if calls and isinstance(calls, list):
            for call in calls:
                if isinstance(call, dict):
                    facts += self._call(call)

    def _call(self, call: dict[str, Any]) -> Sequence[Fact]:
        """A call, which always comes whole; its arguments are an object, or text where a proxy wrote them as such."""
        self._calls += 1
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        started = ToolStarted(self._calls, _word(call.get("id")), _word(function.get("name")))
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            return started, ToolArguments(self._calls, arguments), ToolFinished(self._calls)
        return started, ToolFinished(self._calls, {} if arguments is None else arguments)

    def _about(self, line: dict[str, Any], facts: list[Fact]) -> None:
        model = line.get("model")
        if model != self._model and isinstance(model, str):
            self._model = model
            facts.append(ModelNamed(model))
        if line.get("done") is True:
            usage = Usage.renamed(line, _COUNTS)
            if usage.counts:
                facts.append(usage)
            if reason := _word(line.get("done_reason")):
                facts.append(Finished(reason))
            facts.append(Ended())
        if (error := line.get("error")) is not None:
            facts.append(_failure(error))


def _failure(error: object) -> Failed:
    message = error.get("message") if isinstance(error, dict) else error
    return Failed(message if isinstance(message, str) and message else "error")


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
