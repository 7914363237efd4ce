"""Arguments put together from pieces that each name a JSON path: `$.city`, `$.stops[0].name`, `$['a b']`.

Pieces are kept by path and the value is built once, so that a long text in small pieces costs no more than its length.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

__all__ = ["PartialArguments"]

_STEP = re.compile(r"""\.?([^.\[\]'"]+)|\[(\d{1,9})\]|\['([^']*)'\]|\["([^"]*)"\]""")
# Deeper than any function's parameters, and far from what would break a recursive reader of the value.
_DEEPEST = 32

_Step = str | int
_Container = dict[str, Any] | list[Any]


class PartialArguments:
    """The pieces of one call's arguments."""

    __slots__ = ("_leaves",)

    def __init__(self) -> None:
        self._leaves: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._leaves)

    def add(self, pieces: object) -> None:
        """Take the `partialArgs` of one chunk. Text of a path that already has text is appended to it."""
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict) and isinstance(path := piece.get("jsonPath"), str):
                self._add(path, piece)

    def _add(self, path: str, piece: dict[str, Any]) -> None:
        if isinstance(text := piece.get("stringValue"), str):
            before = self._leaves.get(path)
            if isinstance(before, list):
                before.append(text)
            else:
                self._leaves[path] = [text]
        elif isinstance(number := piece.get("numberValue"), int | float):
            self._leaves[path] = number
        elif isinstance(truth := piece.get("boolValue"), bool):
            self._leaves[path] = truth
        elif "nullValue" in piece:
            self._leaves[path] = None

    def value(self) -> dict[str, Any]:
        """The arguments so far."""
        root: dict[str, Any] = {}
        for path, leaf in self._leaves.items():
            _put(root, _steps(path), "".join(leaf) if isinstance(leaf, list) else leaf)
        return root


def _steps(path: str) -> list[_Step]:
    """The steps of a path; one that is no path, or too deep a one, is the name of an argument as it stands."""
    steps: list[_Step] = []
    place = 1 if path.startswith("$") else 0
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None or len(steps) == _DEEPEST:
            return [path]
        name, number, single, double = step.groups()
        steps.append(int(number) if number is not None else next(s for s in (name, single, double) if s is not None))
        place = step.end()
    return steps or [path]


def _put(root: dict[str, Any], steps: list[_Step], leaf: Any) -> None:
    """Put a leaf where its steps lead; what stands in the way gives way."""
    container: _Container = root
    for step, following in pairwise(steps):
        wanted = list if isinstance(following, int) else dict
        below = _get(container, step)
        if not isinstance(below, wanted):
            below = wanted()
            _set(container, step, below)
        container = below
    _set(container, steps[-1], leaf)


def _get(container: _Container, step: _Step) -> Any:
    if isinstance(container, dict):
        return container.get(str(step))
    return container[step] if isinstance(step, int) and step < len(container) else None


def _set(container: _Container, step: _Step, value: Any) -> None:
    """Set a member. An index beyond the end appends: a list never grows by more than one, whatever a path says."""
    if isinstance(container, dict):
        container[str(step)] = value
    elif isinstance(step, int) and step < len(container):
        container[step] = value
    else:
        container.append(value)
