"""Percentiles of lengths of time, from all of them or from a sample."""

from __future__ import annotations

from collections.abc import Iterable

from tracekit.store.question_records import Spread

__all__ = ["MOST_VALUES", "sampling_step", "spread_of"]

MOST_VALUES = 10_000
"""Of more values than these only a sample is read; it has about so many."""


def spread_of(values: Iterable[int], *, sampled: bool = False) -> Spread:
    """p50, p95 and p99 by nearest rank: each is a value that occurs. A clock that went backwards counts as 0."""
    ordered = sorted(max(value, 0) for value in values)
    if not ordered:
        return Spread(None, None, None, 0, sampled)
    count = len(ordered)
    p50, p95, p99 = (ordered[(count * percent + 99) // 100 - 1] for percent in (50, 95, 99))
    return Spread(p50, p95, p99, count, sampled)


def sampling_step(count: int, most: int = MOST_VALUES) -> int:
    """Each how many-th of `count` values is to be read, so that about `most` are.

    A step has no factor with 10 in common, so that moments of which each is a whole millisecond or second are chosen
    from like any others.
    """
    step = max(1, -(-count // most))
    while step % 2 == 0 or step % 5 == 0:
        step += 1
    return step
