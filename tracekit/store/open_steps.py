"""The spans that are open in traces, and which of them the work is in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tracekit.store.among import among
from tracekit.store.question_records import OpenStep
from tracekit.store.rows import SPANS

__all__ = ["NO_STEPS", "OpenSteps", "deepest", "leaves", "open_steps"]

_COLUMNS = (
    "span_id", "parent_span_id", "layer", "step_name", "kind", "status", "started_at", "heartbeat_at",
)  # fmt: skip

# A child begins after its parent, so the deepest spans are among those that began last.
_MOST_OF_A_TRACE = 100

_IS_OPEN = (
    among(SPANS.c.trace_key, "keys"), SPANS.c.ended_at.is_(None),
)  # fmt: skip
_PLACED = (
    select(
        SPANS.c.trace_key,
        *(SPANS.c[name] for name in _COLUMNS),
        func.count().over(partition_by=SPANS.c.trace_key).label("total"),
        func.row_number().over(partition_by=SPANS.c.trace_key, order_by=SPANS.c.started_at.desc()).label("place"),
    )
    .where(*_IS_OPEN)
    .subquery()
)
_LAST = select(_PLACED.c.trace_key, _PLACED.c.total, *(_PLACED.c[name] for name in _COLUMNS)).where(
    _PLACED.c.place <= _MOST_OF_A_TRACE
)


class OpenSteps(NamedTuple):
    """The open spans of a trace that began last, and how many are open in all."""

    steps: Sequence[OpenStep]
    total: int


NO_STEPS = OpenSteps((), 0)


def open_steps(connection: Connection, keys: Collection[int]) -> dict[int, OpenSteps]:
    """The open spans of each of these traces; a trace without any is left out."""
    if not keys:
        return {}
    steps: defaultdict[int, list[OpenStep]] = defaultdict(list)
    totals: dict[int, int] = {}
    for key, total, *columns in connection.execute(_LAST, {"keys": keys}).all():
        totals[key] = total
        steps[key].append(OpenStep(*columns))
    return {key: OpenSteps(found, totals[key]) for key, found in steps.items()}


def leaves(steps: Iterable[OpenStep]) -> list[OpenStep]:
    """The steps without an open step in them: there the work is. Parents that form a circle have no such step; then
    it is the one that began last."""
    steps = list(steps)
    parents = {step.parent_span_id for step in steps if step.parent_span_id != step.span_id}
    found = [step for step in steps if step.span_id not in parents]
    return found or sorted(steps, key=_began)[-1:]


def deepest(steps: Iterable[OpenStep]) -> OpenStep | None:
    """The step that has most open steps around it; of several the one that began last. None where none is open."""
    by_id = {step.span_id: step for step in steps}
    depths: dict[str, int] = {}
    for step in by_id.values():
        _measure(step, by_id, depths)
    return max(by_id.values(), key=lambda step: (depths[step.span_id], *_began(step)), default=None)


def _measure(step: OpenStep | None, by_id: dict[str, OpenStep], depths: dict[str, int]) -> None:
    """Depths of a step and those around it. Parents in a circle count as far as they go once round."""
    chain: dict[str, None] = {}
    while step is not None and step.span_id not in depths and step.span_id not in chain:
        chain[step.span_id] = None
        step = by_id.get(step.parent_span_id or "")
    depth = -1 if step is None else depths.get(step.span_id, -1)
    for span_id in reversed(chain):
        depth += 1
        depths[span_id] = depth


def _began(step: OpenStep) -> tuple[int, str]:
    return step.started_at, step.span_id
