"""Output items of the Responses API: told by deltas, or whole, but never both.

An item is known by its `output_index`; servers that leave it out are matched by item id.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from tracekit import json_text
from tracekit.decoding import Fact, Reasoning, Refusal, Text, ToolArguments, ToolFinished, ToolStarted

__all__ = ["ResponseItems", "place_of"]

_CALL_KINDS = {"function_call": "function", "custom_tool_call": "custom"}
# Where the two kinds of call keep what the tool is given.
_INPUT_KEYS = {"function_call": "arguments", "custom_tool_call": "input"}
_TOLD_BY_DELTAS = frozenset({"message", "reasoning", ""})


def place_of(event: dict[str, Any]) -> Hashable:
    """What tells the item of an event apart from the other items of the response."""
    index = event.get("output_index")
    if type(index) is int:
        return index
    identifier = event.get("item_id")
    return identifier if isinstance(identifier, str) else None


class ResponseItems:
    """What has been told of the items of one response."""

    def __init__(self) -> None:
        self.text_told: set[Hashable] = set()
        self.reasoning_told: set[Hashable] = set()
        self._arguments_told: set[Hashable] = set()
        self._keys: dict[Hashable, Hashable] = {}
        self._call_ids: set[str] = set()
        self._hosted: dict[Hashable, str] = {}

    @property
    def hosted(self) -> list[str]:
        """The types of the items that the provider's own tools made, in the order in which they came."""
        return list(self._hosted.values())

    def begin(self, place: Hashable, item: dict[str, Any]) -> Iterator[Fact]:
        """An item is announced."""
        kind = _kind(item)
        if kind in _CALL_KINDS:
            # Gateways exist that give every item the same index.
            if place in self._keys and _call_id(item) not in self._call_ids:
                self._keys[place] = (place, len(self._call_ids))
            yield self._start_call(place, item, kind)
        elif kind not in _TOLD_BY_DELTAS:
            self._hosted[place] = kind

    def arguments(self, place: Hashable, text: Any) -> Iterator[Fact]:
        """A piece of what a tool is given."""
        if isinstance(text, str) and text:
            key = self._key(place)
            self._arguments_told.add(key)
            yield ToolArguments(key, text)

    def whole_arguments(self, place: Hashable, value: Any) -> Iterator[Fact]:
        """All that a tool is given; told if no piece of it was."""
        if self._key(place) not in self._arguments_told and value is not None:
            yield from self.arguments(place, value if isinstance(value, str) else json_text.encode(value))

    def complete(self, place: Hashable, item: dict[str, Any]) -> Iterator[Fact]:
        """An item is there as a whole: tell of it what was not told yet."""
        kind = _kind(item)
        if kind == "message":
            if place not in self.text_told:
                yield from self._message(place, item)
        elif kind == "reasoning":
            if place not in self.reasoning_told:
                yield from self._reasoning(place, item)
        elif kind in _CALL_KINDS:
            yield from self._complete_call(place, item, kind)
        elif kind:
            self._hosted[place] = kind

    def complete_all(self, output: list[Any]) -> Iterator[Fact]:
        """The response is there as a whole. Positions in `output` are not always output indexes, so text and reasoning
        count only if the stream told none at all."""
        skipped = {"message"} if self.text_told else set()
        skipped |= {"reasoning"} if self.reasoning_told else set()
        items = [*enumerate(item for item in output if isinstance(item, dict))]
        if any(_is_hosted(item) for _, item in items):
            self._hosted.clear()
        for place, item in items:
            if _kind(item) not in skipped and not self._is_told_call(place, item):
                yield from self.complete(place, item)

    def _is_told_call(self, place: Hashable, item: dict[str, Any]) -> bool:
        return _kind(item) in _CALL_KINDS and (place in self._keys or _call_id(item) in self._call_ids)

    def _message(self, place: Hashable, item: dict[str, Any]) -> Iterator[Fact]:
        for part in _objects(item.get("content")):
            if isinstance(text := part.get("text"), str) and text:
                self.text_told.add(place)
                yield Text(text, place)
            if isinstance(refusal := part.get("refusal"), str) and refusal:
                self.text_told.add(place)
                yield Refusal(refusal)

    def _reasoning(self, place: Hashable, item: dict[str, Any]) -> Iterator[Fact]:
        for name in ("summary", "content"):
            for number, part in enumerate(_objects(item.get(name))):
                if isinstance(text := part.get("text"), str) and text:
                    self.reasoning_told.add(place)
                    yield Reasoning(text, (place, name, number))

    def _start_call(self, place: Hashable, item: dict[str, Any], kind: str) -> Fact:
        call_id, name = _call_id(item), item.get("name")
        if call_id:
            self._call_ids.add(call_id)
        key = self._keys.setdefault(place, place)
        return ToolStarted(key, call_id, name if isinstance(name, str) else None, _CALL_KINDS[kind])

    def _complete_call(self, place: Hashable, item: dict[str, Any], kind: str) -> Iterator[Fact]:
        yield self._start_call(place, item, kind)
        yield from self.whole_arguments(place, item.get(_INPUT_KEYS[kind]))
        yield ToolFinished(self._key(place))

    def _key(self, place: Hashable) -> Hashable:
        return self._keys.get(place, place)


def _objects(parts: Any) -> Iterator[dict[str, Any]]:
    return (part for part in parts if isinstance(part, dict)) if isinstance(parts, list) else iter(())


def _kind(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def _is_hosted(item: dict[str, Any]) -> bool:
    kind = _kind(item)
    return kind not in _TOLD_BY_DELTAS and kind not in _CALL_KINDS


def _call_id(item: dict[str, Any]) -> str | None:
    for name in ("call_id", "id"):
        if isinstance(value := item.get(name), str) and value:
            return value
    return None
