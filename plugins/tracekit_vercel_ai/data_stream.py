"""The data stream protocol of AI SDK 4: lines of `CODE:JSON`, answered as `text/plain` with the header
`x-vercel-ai-data-stream: v1`.

Written against the data stream parts of the npm package `@ai-sdk/ui-utils`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracekit import json_text
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
    ToolResult,
    ToolStarted,
    Unreadable,
    Usage,
)
from tracekit_vercel_ai.fields import optional_text, required_text, token_counts

__all__ = ["DataStreamDecoder", "read_line"]


def read_line(line: bytes) -> tuple[bytes, Any]:
    """The code of a line and its JSON value.

    Raises:
        Unreadable: the line is no `CODE:JSON`.
    """
    if line[1:2] != b":":
        raise Unreadable("no data stream part")
    try:
        return line[:1], json_text.decode(line[2:])
    except ValueError as error:
        raise Unreadable(str(error)) from None


class DataStreamDecoder:
    """Reads one data stream.

    Besides the common facts it notes `data_parts`, `annotations`, `sources`, `files` and `tool_states`
    (`partial-call`, `call`, `result`). The client breaks text and reasoning into parts at the end of each step.
    """

    wire_format = "data-stream-v1"

    def __init__(self) -> None:
        self._text_part = 0
        self._reasoning_part = 0
        self._spent: dict[str, int | float] = {}
        self._states: dict[str, str] = {}
        self._noted: dict[str, list[Any]] = {}
        self._readers: dict[bytes, Callable[[Any], Sequence[Fact]]] = {
            b"0": self._read_text,
            b"2": self._read_data,
            b"3": _read_error,
            b"8": self._read_annotations,
            b"9": self._read_call,
            b"a": self._read_result,
            b"b": self._read_call_start,
            b"c": self._read_call_delta,
            b"d": self._read_finish,
            b"e": self._read_finish_step,
            b"f": _nothing,
            b"g": self._read_reasoning,
            b"h": self._read_source,
            b"i": _nothing,
            b"j": _nothing,
            b"k": self._read_file,
        }

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one line."""
        code, value = read_line(frame.data)
        reader = self._readers.get(code)
        if reader is None:
            raise Unreadable("a part of unknown code")
        return reader(value)

    def finish(self) -> Iterable[Fact]:
        """What was gathered on the way."""
        for name, values in self._noted.items():
            yield Noted(name, values)
        if self._states:
            yield Noted("tool_states", [{"id": key, "state": state} for key, state in self._states.items()])

    def _read_text(self, value: Any) -> Sequence[Fact]:
        text = _text(value)
        return (Text(text, self._text_part),) if text else ()

    def _read_reasoning(self, value: Any) -> Sequence[Fact]:
        text = _text(value)
        return (Reasoning(text, self._reasoning_part),) if text else ()

    def _read_data(self, value: Any) -> Sequence[Fact]:
        return self._note("data_parts", _list(value))

    def _read_annotations(self, value: Any) -> Sequence[Fact]:
        return self._note("annotations", _list(value))

    def _read_source(self, value: Any) -> Sequence[Fact]:
        return self._note("sources", [_object(value)])

    def _read_file(self, value: Any) -> Sequence[Fact]:
        return self._note("files", [{"mimeType": _object(value).get("mimeType")}])

    def _note(self, name: str, values: list[Any]) -> Sequence[Fact]:
        if values:
            self._noted.setdefault(name, []).extend(values)
        return ()

    def _read_call_start(self, value: Any) -> Sequence[Fact]:
        key = self._call_in_state(value, "partial-call")
        return (ToolStarted(key, key, optional_text(value, "toolName")),)

    def _read_call_delta(self, value: Any) -> Sequence[Fact]:
        text = required_text(_object(value), "argsTextDelta")
        return (ToolArguments(self._call_in_state(value, "partial-call"), text),)

    def _read_call(self, value: Any) -> Sequence[Fact]:
        key = self._call_in_state(value, "call")
        return ToolStarted(key, key, optional_text(value, "toolName")), ToolFinished(key, value.get("args", ...))

    def _read_result(self, value: Any) -> Sequence[Fact]:
        key = self._call_in_state(value, "result")
        return ToolStarted(key, key), ToolResult(key, value.get("result"))

    def _call_in_state(self, value: Any, state: str) -> str:
        key = required_text(_object(value), "toolCallId")
        self._states[key] = state
        return key

    def _read_finish_step(self, value: Any) -> Sequence[Fact]:
        """The end of a step. `d:` states the total later; until then it is the sum of the steps."""
        step = _object(value)
        self._reasoning_part += 1
        if step.get("isContinued") is not True:
            self._text_part += 1
        for name, count in token_counts(step.get("usage")).counts.items():
            self._spent[name] = self._spent.get(name, 0) + (count or 0)
        # Once more, for a sum may be too large where its parts were not.
        return _ending(step, Usage.renamed(self._spent, {name: name for name in self._spent}))

    def _read_finish(self, value: Any) -> Sequence[Fact]:
        message = _object(value)
        return [*_ending(message, token_counts(message.get("usage"))), Ended()]


def _ending(part: dict[str, Any], usage: Usage) -> list[Fact]:
    reason = optional_text(part, "finishReason")
    return [*([usage] if usage.counts else ()), *([Finished(reason)] if reason else ())]


def _read_error(value: Any) -> Sequence[Fact]:
    return (Failed(_text(value)),)


def _nothing(_value: Any) -> Sequence[Fact]:
    return ()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Unreadable("a text was expected")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise Unreadable("a list was expected")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise Unreadable("an object was expected")
