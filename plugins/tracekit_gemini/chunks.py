"""The chunks of a streamed Gemini answer, as facts."""

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
    Unreadable,
    Usage,
)
from tracekit_gemini.function_calls import FunctionCalls
from tracekit_gemini.server_parts import ServerParts

__all__ = ["GeminiDecoder", "unwrapped"]

_COUNTS = {
    "promptTokenCount": "input_tokens",
    "candidatesTokenCount": "output_tokens",
    "thoughtsTokenCount": "reasoning_tokens",
    "cachedContentTokenCount": "cached_input_tokens",
    "totalTokenCount": "total_tokens",
}
_KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "promptFeedback", "responseId", "error"})


def unwrapped(chunk: dict[str, Any]) -> dict[str, Any]:
    """The chunk itself where it comes in a `response`, as Google's Code Assist sends it."""
    inner = chunk.get("response")
    return inner if isinstance(inner, dict) and "candidates" not in chunk else chunk


class GeminiDecoder:
    """Decodes one stream of GenerateContentResponse chunks."""

    wire_format = "gemini"

    def __init__(self) -> None:
        self._calls = FunctionCalls()
        self._server_parts = ServerParts()
        self._counts: dict[str, Any] = {}
        self._counts_told = True
        self._model: str | None = None
        self._unfinished: set[int] = set()
        self._finished: set[int] = set()

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one chunk.

        Raises:
            Unreadable: the frame is no chunk of Gemini's.
        """
        chunk = unwrapped(frame.object)
        facts: list[Fact] = []
        candidates = chunk.get("candidates")
        if isinstance(candidates, list):
            for position, candidate in enumerate(candidates):
                if isinstance(candidate, dict):
                    self._candidate(position, candidate, facts)
        elif _KNOWN.isdisjoint(chunk):
            raise Unreadable("nothing of a Gemini chunk is in it")
        self._about(chunk, facts)
        return facts

    def finish(self) -> Sequence[Fact]:
        """The last counts, and what calls and server parts there were."""
        return [*self._usage(), *self._calls.unfinished(), *self._server_parts.noted()]

    def _candidate(self, position: int, candidate: dict[str, Any], facts: list[Fact]) -> None:
        index = candidate.get("index")
        choice = index if isinstance(index, int) else position
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                self._part(part, choice, facts)
        reason = candidate.get("finishReason")
        if isinstance(reason, str):
            facts += self._calls.close(choice)
            facts.append(Finished(reason, choice))
            self._finished.add(choice)
            self._unfinished.discard(choice)
        elif choice not in self._finished:
            self._unfinished.add(choice)
        if isinstance(message := candidate.get("finishMessage"), str):
            facts.append(Noted("finish_message", message))

    def _part(self, part: dict[str, Any], choice: int, facts: list[Fact]) -> None:
        text = part.get("text")
        if isinstance(text, str):
            if text:
                facts.append(Reasoning(text, None, choice) if part.get("thought") is True else Text(text, None, choice))
        elif isinstance(call := part.get("functionCall"), dict):
            facts += self._calls.add(call, choice)
        else:
            facts += self._server_parts.add(part, choice)

    def _about(self, chunk: dict[str, Any], facts: list[Fact]) -> None:
        model = chunk.get("modelVersion")
        if isinstance(model, str) and model != self._model:
            self._model = model
            facts.append(ModelNamed(model))
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict):
            self._counts.update(usage)
            self._counts_told = False
            if self._finished and not self._unfinished:
                facts += [*self._usage(), Ended()]
        if isinstance(feedback := chunk.get("promptFeedback"), dict):
            facts += _blocked(feedback)
        if (error := chunk.get("error")) is not None:
            facts.append(_failure(error))

    def _usage(self) -> Sequence[Fact]:
        """The counts so far: each chunk repeats them as totals, so they are told once they are final."""
        if self._counts_told:
            return ()
        self._counts_told = True
        usage = Usage.renamed(self._counts, _COUNTS)
        return (usage,) if usage.counts else ()


def _blocked(feedback: dict[str, Any]) -> Sequence[Fact]:
    reason, message = feedback.get("blockReason"), feedback.get("blockReasonMessage")
    if not isinstance(reason, str):
        return ()
    explained = (Noted("block_reason_message", message),) if isinstance(message, str) else ()
    return (Noted("block_reason", reason), *explained, Ended())


def _failure(error: object) -> Failed:
    if not isinstance(error, dict):
        return Failed(error if isinstance(error, str) and error else "error")
    status, number, message = error.get("status"), error.get("code"), error.get("message")
    code = status if isinstance(status, str) else str(number) if isinstance(number, int) else None
    return Failed(message if isinstance(message, str) and message else code or "error", code)
