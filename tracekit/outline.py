"""Any Python value cut down to JSON that is worth recording, at a bounded cost.

Nothing of the value is run: no `repr`, no property, no proxy is resolved, since any of these may ask a database. An
object of a kind that is not known here is recorded as the name of its type.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import numbers
import pathlib
import uuid
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, cast

import msgspec
import pydantic

from tracekit.plain_attributes import instance_dict, plain_attribute

__all__ = ["outline"]

_MOST_VALUES = 1_000
_MOST_CHARACTERS = 32_768
_MOST_ITEMS = 200
_MOST_DEPTH = 8
_MOST_BITS = 4_096

_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, pathlib.PurePath, uuid.UUID)


def outline(value: Any) -> Any:
    """`value` as JSON of at most 1,000 values and 32,768 characters; what is left out is marked. Never raises."""
    try:
        return _Outline().of(value, 0)
    except Exception as error:  # noqa: BLE001 - a value's own code is at work: a __dict__ that raises, a broken enum
        return f"<{type(value).__name__} that cannot be read: {type(error).__name__}>"


class _Outline:
    """One value being outlined, and what room is left for it."""

    def __init__(self) -> None:
        self._values = _MOST_VALUES
        self._characters = _MOST_CHARACTERS

    def of(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._values -= 1
        if value is None or kind is bool:
            return value
        if issubclass(kind, enum.Enum) and depth < _MOST_DEPTH:
            return self.of(value.value, depth + 1)
        if issubclass(kind, numbers.Number) and not issubclass(kind, decimal.Decimal):
            return _number(value, kind)
        text = _text_of(value, kind)
        return self._container(value, kind, depth) if text is None else self._text(text)

    def _text(self, text: str) -> str:
        room = max(self._characters, 0)
        self._characters -= len(text)
        return text if len(text) <= room else f"{text[:room]}… [{len(text):,} characters]"

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        members = _members(value, kind)
        if depth >= _MOST_DEPTH or (members is None and not issubclass(kind, list | tuple | set | frozenset)):
            return _named(kind)
        if members is not None:
            return self._object(members, len(value) if issubclass(kind, dict) else 0, depth)
        items = [self.of(item, depth + 1) for item in islice(value, max(min(_MOST_ITEMS, self._values), 0))]
        return items if len(items) == len(value) else [*items, f"… [{len(value):,} in all]"]

    def _object(self, members: Iterable[tuple[Any, Any]], size: int, depth: int) -> dict[str, Any]:
        found = {}
        for name, member in islice(members, max(min(_MOST_ITEMS, self._values), 0)):
            found[self._text(name if type(name) is str else str(self.of(name, depth + 1)))] = self.of(member, depth + 1)
        if size > len(found):
            found["…"] = f"[{size:,} in all]"
        return found


def _text_of(value: Any, kind: type) -> str | None:
    """What stands for a value that is text, or is best shown as text; None for another."""
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes | bytearray | memoryview):
        return f"<{memoryview(value).nbytes} bytes>"
    return str(value) if issubclass(kind, _AS_TEXT) else None


def _members(value: Any, kind: type) -> Iterable[tuple[Any, Any]] | None:
    """The named parts of an object whose parts are known; None for another."""
    if issubclass(kind, dict):
        return cast("Callable[[Any], Iterable[tuple[Any, Any]]]", dict.items)(value)
    if is_dataclass(kind):
        return ((field.name, plain_attribute(value, field.name)) for field in fields(kind))
    if issubclass(kind, msgspec.Struct):
        return ((name, plain_attribute(value, name)) for name in kind.__struct_fields__)
    if issubclass(kind, pydantic.BaseModel):
        return instance_dict(value).items()
    return None


def _number(value: Any, kind: type) -> Any:
    if issubclass(kind, numbers.Integral):
        whole = int(value)
        return whole if whole.bit_length() <= _MOST_BITS else f"<int of {whole.bit_length():,} bits>"
    return float(value) if issubclass(kind, numbers.Real) else str(value)


def _named(kind: type) -> str:
    return f"<{kind.__module__}.{kind.__qualname__}>".replace("<builtins.", "<")
