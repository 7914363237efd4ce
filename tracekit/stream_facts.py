"""What the frames of a stream mean, turned into events as they go by: tool calls, errors, the first content."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from tracekit.decoding import Fact, Failed, Reasoning, Refusal, Text, ToolFinished, ToolResult, ToolStarted
from tracekit.plugins import PluginHost
from tracekit.said_calls import SaidCalls
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall, Transcript
from tracekit.types import EventType

__all__ = ["PREVIEW_CHARACTERS", "StreamFacts"]

PREVIEW_CHARACTERS = 500

Emit = Callable[[int, EventType, dict[str, Any]], None]


class StreamFacts:
    """Follows the facts of one stream in order. `emit(offset_us, event_type, payload)` takes the events."""

    def __init__(
        self, transcript: Transcript, plugins: PluginHost, info: TraceInfo, emit: Emit, said_calls: SaidCalls
    ) -> None:
        self._transcript = transcript
        self._plugins = plugins
        self._info = info
        self._emit = emit
        self._said_calls = said_calls
        self._started: dict[Hashable, int] = {}
        self._complete: set[Hashable] = set()
        self._finished: set[Hashable] = set()
        self._failed_calls: set[Hashable] = set()
        self._failed = False
        self.first_content_us: int | None = None
        self.preview = ""
        self.has_preview = False
        """The preview is full, and so the first content was seen: text alone tells nothing more."""

    def take(self, offset_us: int, facts: Sequence[Fact]) -> None:
        """The facts of one frame."""
        for fact in facts:
            if isinstance(fact, Text):
                if not self.has_preview:
                    self.first_text(offset_us, fact)
            elif isinstance(fact, Reasoning | Refusal):
                self._said(offset_us, fact.text)
            elif isinstance(fact, ToolStarted | ToolFinished | ToolResult):
                self._said(offset_us, "tool")
                self._tool(offset_us, fact)
            elif isinstance(fact, Failed) and not self._failed:
                self._failed = True
                self._emit(offset_us, EventType.STREAM_ERROR, {"message": fact.message, "code": fact.code})

    def first_text(self, offset_us: int, fact: Text) -> None:
        """A text, while there is no preview yet."""
        self._said(offset_us, fact.text)
        if fact.choice == 0:
            self.preview = (self.preview + fact.text)[:PREVIEW_CHARACTERS]
            self.has_preview = len(self.preview) == PREVIEW_CHARACTERS

    def _said(self, offset_us: int, text: str) -> None:
        if self.first_content_us is None and text:
            self.first_content_us = offset_us

    def _tool(self, offset_us: int, fact: ToolStarted | ToolFinished | ToolResult) -> None:
        if fact.key not in self._started:
            self._start(offset_us, fact.key)
        if isinstance(fact, ToolFinished):
            self._arguments(offset_us, fact.key)
        elif isinstance(fact, ToolResult):
            self._arguments(offset_us, fact.key)
            # A call that failed may be answered all the same; that is told as well, once.
            if fact.key in self._failed_calls and not fact.is_error:
                self._finished.discard(fact.key)
            self._finish(offset_us, fact.key)

    def _start(self, offset_us: int, key: Hashable) -> None:
        self._started[key] = offset_us
        call = self._transcript.call(key)
        self._said_calls.seen_in_stream(call.id)
        if call.id not in self._said_calls:
            self._emit(offset_us, EventType.TOOL_STARTED, {"id": call.id, "name": call.name})
            self._plugins.tool_call_started(self._info, call)

    def _arguments(self, offset_us: int, key: Hashable) -> None:
        if key in self._complete:
            return
        self._complete.add(key)
        call = self._transcript.call(key)
        self._emit(offset_us, EventType.TOOL_ARGUMENTS, {"id": call.id, "name": call.name, "arguments": call.arguments})

    def _finish(self, offset_us: int, key: Hashable) -> None:
        if key in self._finished:
            return
        self._finished.add(key)
        self._failed_calls.discard(key)
        call = self._transcript.call(key)
        self._said_calls.seen_in_stream(call.id)
        if call.id in self._said_calls:
            return
        payload = _call_payload(call)
        if call.has_result:
            payload |= {"result": call.result, "duration_us": offset_us - self._started[key]}
        if call.is_error:
            self._failed_calls.add(key)
            self._emit(offset_us, EventType.TOOL_FAILED, payload)
            self._plugins.tool_call_failed(self._info, call)
            return
        self._emit(offset_us, EventType.TOOL_FINISHED, payload)
        for artifact in self._plugins.tool_call_finished(self._info, call):
            self._emit(offset_us, EventType.ARTIFACT_ADDED, {"tool_call_id": call.id, **artifact})

    def end(self, offset_us: int) -> None:
        """The stream is over: calls whose result it never showed are finished as far as they go."""
        for key in self._started:
            self._arguments(offset_us, key)
            self._finish(offset_us, key)


def _call_payload(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments, "has_result": call.has_result}
