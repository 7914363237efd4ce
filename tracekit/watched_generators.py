"""Generators looked at from outside: what passes through is noted, and everything else is as it was."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from tracekit.outline import outline

__all__ = ["WatchedGenerator", "Yielded"]

_KEPT_ITEMS = 20


class Yielded:
    """What a generator has yielded."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {"items": [], "count": 0, "complete": False}
        """`items` are outlines of the first 20; not `complete`: nobody wanted more."""

    def note(self, item: Any) -> Any:
        """An item goes by; the item itself."""
        self.found["count"] += 1
        if self.found["count"] <= _KEPT_ITEMS:
            self.found["items"].append(outline(item))
        return item

    def complete(self) -> None:
        """The generator has come to its end."""
        self.found["complete"] = True


class WatchedGenerator(Generator[Any, Any, Any]):
    """Hands on a generator's items, and what is sent or thrown into it: for `yield from`."""

    def __init__(self, generator: Generator[Any, Any, Any], yielded: Yielded) -> None:
        self._generator = generator
        self._note = yielded.note

    def send(self, value: Any, /) -> Any:
        """The next item."""
        return self._note(self._generator.send(value))

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        """Raise inside the generator; the item that it yields then."""
        return self._note(self._generator.throw(kind if value is None else value))
