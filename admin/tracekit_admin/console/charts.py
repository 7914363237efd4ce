"""Statistics as the shapes of a chart, in a box of 720 by 120 units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tracekit.store.question_records import Bucket, Statistics

__all__ = ["HEIGHT", "WIDTH", "Bar", "Block", "Line", "bars", "line"]

WIDTH, HEIGHT = 720.0, 120.0

_GROUPS = {
    "completed": ("completed", "completed_then_disconnected"),
    "running": ("running",),
    "cancelled": ("client_disconnected", "server_cancelled"),
}
"""Endings that are drawn as one; all others failed."""

_SHARE_OF_BAR = 0.78


@dataclass(frozen=True, slots=True)
class Block:
    """One ending within a bar."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The traces of one piece of time."""

    x: float
    width: float
    blocks: Sequence[Block]
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Line:
    """Values over time as the points of a polyline, one for each run of pieces that have a value."""

    runs: Sequence[str]
    most: int
    """The value at the top of the box; 0 where there are none."""


def bars(statistics: Statistics) -> tuple[Sequence[Bar], int]:
    """A bar for each piece of time, its endings on top of one another; and how many traces the highest stands for."""
    most = max((bucket.traces for bucket in statistics.buckets), default=0)
    step = WIDTH / max(len(statistics.buckets), 1)
    scale = HEIGHT / max(most, 1)
    return [
        Bar(round(place * step, 2), round(step * _SHARE_OF_BAR, 2), _blocks(bucket.by_ending, scale), bucket)
        for place, bucket in enumerate(statistics.buckets)
    ], most


def _blocks(by_ending: Mapping[str, int], scale: float) -> list[Block]:
    counts = {kind: sum(by_ending.get(ending, 0) for ending in endings) for kind, endings in _GROUPS.items()}
    counts["failed"] = sum(by_ending.values()) - sum(counts.values())
    blocks, top = [], HEIGHT
    for kind, count in counts.items():
        if count:
            height = count * scale
            top -= height
            blocks.append(Block(kind, round(top, 2), round(height, 2)))
    return blocks


def line(statistics: Statistics, value: Callable[[Bucket], int | None], most: int) -> Line:
    """A value of each piece of time; where there is none, the line is broken."""
    step = WIDTH / max(len(statistics.buckets), 1)
    runs: list[list[str]] = [[]]
    for place, bucket in enumerate(statistics.buckets):
        measured = value(bucket)
        if measured is None:
            runs.append([])
        else:
            runs[-1].append(f"{(place + 0.5) * step:.1f},{HEIGHT * (1 - measured / max(most, 1)):.1f}")
    return Line([" ".join(run) for run in runs if run], most)
