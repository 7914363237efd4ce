"""Spans put together as a tree, whatever their parents say: in linear time, without recursion.

A span whose parent is not there is a root and marked `orphan`. Spans whose parents lead round in a circle are a tree
too: the circle is cut above the one of them that began first, which is marked `cycle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Place", "SpanHead", "places"]

# Names in a path: enough to see where one is, and no more for a tree ten thousand deep than for a flat one.
_LONGEST_PATH = 12
_LONGEST_NAME = 64


class SpanHead(NamedTuple):
    """What of a span says where it stands. `started_at` is in microseconds UTC."""

    span_id: str
    parent_span_id: str | None
    step_name: str
    started_at: int


class Place(NamedTuple):
    """Where a span stands in its tree."""

    span_id: str
    depth: int
    path: tuple[str, ...]
    """Names from the root to the span; of a long path the end, after `…`."""
    parent: str | None
    """The span it stands under in the tree; None for a root."""
    orphan: bool
    cycle: bool
    children: int


def places(spans: Sequence[SpanHead]) -> list[Place]:
    """The place of each span: parents before their children, siblings in order of their start. Ids are unique."""
    by_id = {span.span_id: span for span in spans}
    children: defaultdict[str | None, list[SpanHead]] = defaultdict(list)
    cut = _first_of_circles(by_id)
    for span in sorted(spans, key=_began):
        is_root = span.parent_span_id not in by_id or span.span_id in cut
        children[None if is_root else span.parent_span_id].append(span)
    return list(_walk(children, by_id, cut))


def _walk(
    children: Mapping[str | None, list[SpanHead]], by_id: Mapping[str, SpanHead], cut: set[str]
) -> Iterator[Place]:
    waiting = [(span, None, 0, ()) for span in reversed(children.get(None, ()))]
    stack: list[tuple[SpanHead, str | None, int, tuple[str, ...]]] = list(waiting)
    while stack:
        span, parent, depth, above = stack.pop()
        path = _longer(above, span.step_name)
        inside = children.get(span.span_id, ())
        orphan = span.parent_span_id is not None and span.parent_span_id not in by_id
        yield Place(span.span_id, depth, path, parent, orphan, span.span_id in cut, len(inside))
        stack += [(child, span.span_id, depth + 1, path) for child in reversed(inside)]


def _longer(path: tuple[str, ...], name: str) -> tuple[str, ...]:
    name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    names = (*path, name)
    return names if len(names) <= _LONGEST_PATH else ("…", *names[-_LONGEST_PATH + 1 :])


def _first_of_circles(by_id: Mapping[str, SpanHead]) -> set[str]:
    """Of each circle of parents the span that began first. Every span is walked over once."""
    walked: dict[str, int] = {}
    first: set[str] = set()
    for walk, start in enumerate(by_id):
        here: str | None = start
        while here is not None and here in by_id and here not in walked:
            walked[here] = walk
            here = by_id[here].parent_span_id
        if here is not None and walked.get(here) == walk:
            first.add(min(_round(here, by_id), key=_began).span_id)
    return first


def _round(start: str, by_id: Mapping[str, SpanHead]) -> Iterator[SpanHead]:
    here = start
    while True:
        span = by_id[here]
        yield span
        if span.parent_span_id is None or span.parent_span_id == start:
            return
        here = span.parent_span_id


def _began(span: SpanHead) -> tuple[int, str]:
    return span.started_at, span.span_id
