"""The UI message stream of AI SDK 5 and later: server-sent events, each with one JSON part, closed by `[DONE]`.

Written against the chunk schema of the npm package `ai`; what the parts amount to follows `readUIMessageStream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from tracekit_vercel_ai.fields import optional_text, required_text, token_counts
from tracekit_vercel_ai.tool_parts import ToolParts

__all__ = ["UiMessageStreamDecoder"]

Part = Mapping[str, Any]

_DONE = b"[DONE]"
_SOURCE_MEMBERS = ("type", "sourceId", "url", "title", "mediaType", "filename")


class UiMessageStreamDecoder:
    """Reads one UI message stream.

    Besides the common facts it notes `message_metadata` (merged as the client merges it), `sources`, `files`,
    `data_parts`, `tool_states` and `aborted`. Token counts are there only where the app puts them in the metadata.
    """

    wire_format = "ui-message-stream"

    def __init__(self) -> None:
        self._parts = 0
        self._texts: dict[str, int] = {}
        self._thoughts: dict[str, int] = {}
        self._tools = ToolParts()
        self._metadata: dict[str, Any] = {}
        self._noted: dict[str, list[Any]] = {}
        self._data: dict[Any, dict[str, Any]] = {}
        self._readers = self._reader_of_each_type()

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one part; `[DONE]` ends the stream."""
        try:
            part = frame.object
        except Unreadable:
            if frame.data == _DONE:
                return (Ended(),)
            raise
        kind = part.get("type")
        if not isinstance(kind, str):
            raise Unreadable("a part has no type")
        reader = self._readers.get(kind)
        if reader is not None:
            return reader(part)
        if kind.startswith("data-"):
            return self._read_data(kind, part)
        raise Unreadable("a part of unknown type")

    def finish(self) -> Iterable[Fact]:
        """What was gathered on the way: metadata, sources, files, data parts, the states of the calls."""
        yield from self._tools.finish()
        gathered = {
            "message_metadata": self._metadata,
            **self._noted,
            "data_parts": list(self._data.values()),
            "tool_states": self._tools.states(),
        }
        for name, value in gathered.items():
            if value:
                yield Noted(name, value)

    def _reader_of_each_type(self) -> dict[str, Callable[[Part], Sequence[Fact]]]:
        tools = self._tools
        return {
            "text-delta": self._read_text_delta,
            "text-start": self._read_text_start,
            "text-end": _nothing,
            "reasoning-delta": self._read_reasoning_delta,
            "reasoning-start": self._read_reasoning_start,
            "reasoning-end": _nothing,
            "tool-input-delta": tools.input_delta,
            "tool-input-start": tools.input_start,
            "tool-input-available": tools.input_available,
            "tool-input-error": tools.input_error,
            "tool-output-available": tools.output_available,
            "tool-output-error": tools.output_error,
            "tool-output-denied": tools.output_denied,
            "tool-approval-request": tools.approval_request,
            "source-url": self._read_source,
            "source-document": self._read_source,
            "file": self._read_file,
            "reasoning-file": self._read_file,
            "start-step": self._read_start_step,
            "finish-step": self._read_finish_step,
            "start": self._read_metadata,
            "message-metadata": self._read_metadata,
            "finish": self._read_finish,
            "abort": _read_abort,
            "error": _read_error,
        }

    # Ids are reused: "0" may name a part of every step. So a part is numbered when it begins.
    def _begin(self, open_parts: dict[str, int], identifier: str) -> int:
        self._parts += 1
        open_parts[identifier] = self._parts
        return self._parts

    def _read_text_delta(self, part: Part) -> Sequence[Fact]:
        text, identifier = required_text(part, "delta"), optional_text(part, "id") or ""
        number = self._texts.get(identifier) or self._begin(self._texts, identifier)
        return (Text(text, number),) if text else ()

    def _read_text_start(self, part: Part) -> Sequence[Fact]:
        self._begin(self._texts, optional_text(part, "id") or "")
        return ()

    def _read_reasoning_delta(self, part: Part) -> Sequence[Fact]:
        text, identifier = required_text(part, "delta"), optional_text(part, "id") or ""
        number = self._thoughts.get(identifier) or self._begin(self._thoughts, identifier)
        return (Reasoning(text, number),) if text else ()

    def _read_reasoning_start(self, part: Part) -> Sequence[Fact]:
        self._begin(self._thoughts, optional_text(part, "id") or "")
        return ()

    def _read_start_step(self, _part: Part) -> Sequence[Fact]:
        self._tools.start_step()
        return ()

    def _read_finish_step(self, _part: Part) -> Sequence[Fact]:
        self._texts.clear()
        self._thoughts.clear()
        return ()

    def _read_source(self, part: Part) -> Sequence[Fact]:
        source = {name: part[name] for name in _SOURCE_MEMBERS if name in part}
        self._noted.setdefault("sources", []).append(source)
        return ()

    def _read_file(self, part: Part) -> Sequence[Fact]:
        url = optional_text(part, "url") or ""
        # A data URL is the file itself; it stays in its frame.
        file = {"type": part["type"], "mediaType": part.get("mediaType"), "url": None if url[:5] == "data:" else url}
        self._noted.setdefault("files", []).append(file)
        return ()

    def _read_data(self, kind: str, part: Part) -> Sequence[Fact]:
        """A data part; one with the id of an earlier one replaces it, a transient one is not kept."""
        if part.get("transient") is not True:
            identifier = optional_text(part, "id")
            key = (kind, identifier) if identifier is not None else len(self._data)
            self._data[key] = {name: part[name] for name in ("type", "id", "data") if name in part}
        return ()

    def _read_metadata(self, part: Part) -> Sequence[Fact]:
        metadata = part.get("messageMetadata")
        if not isinstance(metadata, dict):
            return ()
        _merge(self._metadata, metadata)
        usage = next((usage for usage in _usages(metadata) if usage.counts), None)
        model = optional_text(metadata, "model") or optional_text(metadata, "modelId")
        return [*([usage] if usage else ()), *([ModelNamed(model)] if model else ())]

    def _read_finish(self, part: Part) -> Sequence[Fact]:
        reason = optional_text(part, "finishReason")
        return [*self._read_metadata(part), *([Finished(reason)] if reason else ()), Ended()]


def _nothing(_part: Part) -> Sequence[Fact]:
    return ()


def _read_error(part: Part) -> Sequence[Fact]:
    return (Failed(required_text(part, "errorText")),)


def _read_abort(part: Part) -> Sequence[Fact]:
    return (Noted("aborted", optional_text(part, "reason") or True),)


def _usages(metadata: Mapping[str, Any]) -> Iterable[Usage]:
    """Where apps put the counts; the last place is the metadata itself."""
    return (token_counts(place) for place in (metadata.get("usage"), metadata.get("totalUsage"), metadata))


def _merge(target: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Lay `update` over `target`, objects member by member. Without recursion: the depth is the sender's choice.
    Objects are copied, so that the frames stay as they are."""
    todo = [(target, update)]
    while todo:
        into, members = todo.pop()
        for name, value in members.items():
            if not isinstance(value, dict):
                into[name] = value
                continue
            inner = into.get(name)
            if not isinstance(inner, dict):
                inner = into[name] = {}
            todo.append((inner, value))
