"""Chat Completions as a stream of chunks, in OpenAI's form and in the dialects of those who copied it.

Where dialects differ from https://platform.openai.com/docs/api-reference/chat-streaming:
1. Reasoning comes as `reasoning_content`, `reasoning`, `reasoning_text` or `reasoning_details`, at times under two of
   these names with the same words: the first that has words counts.
2. `content` may be a list of typed parts.
3. Usage stands in the chunk, in `x_groq` or in the last choice; it may be repeated in every chunk, cumulative.
4. Perplexity and Writer send `message` beside `delta`; `message` only counts in a stream that has no deltas.
5. The older `/v1/completions` has `text` in place of `delta`.
6. Not everybody ends with `[DONE]`: an answer whose choices all have a finish reason is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from tracekit.decoding import (
    Ended,
    Fact,
    Finished,
    Frame,
    ModelNamed,
    Noted,
    Reasoning,
    Refusal,
    Text,
    Unreadable,
    Usage,
)
from tracekit_openai.chat_tools import ChatToolCalls
from tracekit_openai.content import content_facts, reasoning_text
from tracekit_openai.failures import failure_of, reported_failure
from tracekit_openai.markers import marker_of
from tracekit_openai.plain_chunk import plain_choices
from tracekit_openai.usage import token_counts

__all__ = ["ChatDecoder"]

_INDEX = attrgetter("index")
_REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_text", "reasoning_details"})


class ChatDecoder:
    """Decodes one stream of Chat Completions."""

    wire_format = "openai-chat"

    def __init__(self) -> None:
        self._calls = ChatToolCalls()
        self._model_known = False
        self._has_deltas = False
        self._running: set[int] = set()
        self._usage: dict[str, int | float] = {}
        self._server_items: dict[int | None, str] = {}

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one chunk.

        Raises:
            Unreadable: the frame is no JSON object, or one that neither answers nor fails.
        """
        read = self.feed_plain((frame.data,))
        return read[0] if read else self._read_chunk(frame)

    def feed_plain(self, data: Sequence[bytes]) -> Sequence[Sequence[Fact]]:
        """The facts of chunks that are nothing but a piece of text each, up to the first that is more."""
        choices = plain_choices(data) if self._model_known else ()
        if choices:
            self._running.update(map(_INDEX, choices))
            self._has_deltas = True
        return [(Text(text, None, choice.index),) if (text := choice.delta.content) else () for choice in choices]

    def _read_chunk(self, frame: Frame) -> Iterable[Fact]:
        try:
            chunk = frame.object
        except Unreadable as problem:
            marker = marker_of(frame, problem)
            return (*self._calls.finish_all(), marker) if isinstance(marker, Ended) else (marker,)
        facts: list[Fact] = []
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for position, choice in enumerate(choices):
                if isinstance(choice, dict):
                    self._read_choice(choice, position, facts)
        if not self._model_known:
            self._read_model(chunk.get("model"), facts)
        if usage := chunk.get("usage"):
            self._read_usage(usage, facts)
        if choices is None or "error" in chunk or "x_groq" in chunk:
            self._read_exceptional(frame, chunk, facts)
        return facts

    def finish(self) -> Iterable[Fact]:
        """Names the tools that the provider ran itself, where it did. A call that is still open was cut off."""
        return (Noted("server_items", [*self._server_items.values()]),) if self._server_items else ()

    def _read_choice(self, choice: dict[str, Any], position: int, facts: list[Fact]) -> None:
        index = choice.get("index")
        number = index if type(index) is int and index >= 0 else position
        self._running.add(number)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._has_deltas = True
            self._read_delta(delta, number, facts)
        elif isinstance(text := choice.get("text"), str):
            if text:
                facts.append(Text(text, None, number))
        elif not self._has_deltas and isinstance(message := choice.get("message"), dict):
            self._read_delta(message, number, facts)
        if reason := choice.get("finish_reason"):
            self._read_end(reason, choice, number, facts)

    def _read_delta(self, delta: dict[str, Any], number: int, facts: list[Fact]) -> None:
        content = delta.get("content")
        if content:
            if isinstance(content, str):
                facts.append(Text(content, None, number))
            else:
                facts.extend(content_facts(content, number))
            if len(delta) == 1:
                return
        reasoned = False
        for name, value in delta.items():
            if not value:
                continue
            if name in _REASONING:
                if not reasoned and (words := reasoning_text(value)):
                    reasoned = True
                    facts.append(Reasoning(words, None, number))
            elif name == "tool_calls":
                facts.extend(self._calls.feed(value, number))
            elif name not in ("role", "content"):
                facts.extend(self._rare_facts(name, value, number))

    def _rare_facts(self, name: str, value: Any, number: int) -> Iterator[Fact]:
        if name == "refusal" and isinstance(value, str):
            yield Refusal(value)
        elif name == "function_call":
            yield from self._calls.feed_function_call(value, number)
        elif name == "audio" and isinstance(value, dict):
            transcript = value.get("transcript")
            if isinstance(transcript, str) and transcript:
                yield Text(transcript, None, number)
        elif name == "executed_tools" and isinstance(value, list):
            self._note_executed(value)

    def _note_executed(self, tools: list[Any]) -> None:
        # Groq names a tool that it runs itself twice under one index: when it starts, and with its output.
        for tool in tools:
            if isinstance(tool, dict) and isinstance(kind := tool.get("type"), str):
                index = tool.get("index")
                self._server_items[index if isinstance(index, int) else None] = kind

    def _read_end(self, reason: Any, choice: dict[str, Any], number: int, facts: list[Fact]) -> None:
        if isinstance(reason, str):
            facts.append(Finished(reason, number))
        facts.extend(self._calls.finish(number))
        # Moonshot counts tokens in the choice; OpenRouter states there why it ended as an error.
        self._read_usage(choice.get("usage"), facts)
        if error := choice.get("error"):
            facts.append(failure_of(error))
        self._running.discard(number)
        if not self._running:
            facts.append(Ended())

    def _read_model(self, model: Any, facts: list[Fact]) -> None:
        if isinstance(model, str) and model:
            self._model_known = True
            facts.append(ModelNamed(model))

    def _read_usage(self, usage: Any, facts: list[Fact]) -> None:
        counts = token_counts(usage)
        if counts and counts != self._usage:
            self._usage = counts
            facts.append(Usage(counts))

    def _read_exceptional(self, frame: Frame, chunk: dict[str, Any], facts: list[Fact]) -> None:
        groq = chunk.get("x_groq")
        if isinstance(groq, dict):
            self._read_usage(groq.get("usage"), facts)
            if groq.get("error"):
                facts.append(failure_of(groq["error"]))
        failure = reported_failure(chunk)
        if failure is None and frame.event == "error":
            failure = failure_of(chunk)
        if failure is not None:
            facts.append(failure)
        elif not facts and "object" not in chunk and "choices" not in chunk:
            raise Unreadable("neither choices nor an error")
