"""What is stuck, where, for how long, and why.

Stuck is a trace that runs and of which nothing has been heard for so long, keepalives and heartbeats that nobody sent
not counted; and a step whose heart has not beaten for so long in a trace that is otherwise alive. A trace is told by
the open steps that have no open step in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Row, Select, and_, bindparam, func, or_, select, union

from tracekit.errors import InvalidInput
from tracekit.store.among import among
from tracekit.store.causes import Situation, causes_of
from tracekit.store.engine import Database
from tracekit.store.glimpses import LastEvents, Latest, last_events, text_preview
from tracekit.store.open_steps import NO_STEPS, OpenSteps, leaves, open_steps
from tracekit.store.question_records import EventGlimpse, OpenStep, StuckPage, StuckStep
from tracekit.store.rows import EVENTS, SPANS, TRACES
from tracekit.store.running import IS_RUNNING, RUNNING, idle_since, owner, running_trace
from tracekit.types import EventType

__all__ = ["MOST_STUCK", "StuckReader"]

MOST_STUCK = 200
_MOST_MINUTES = 60 * 24 * 366

# Some candidates turn out to move after all, so more are looked at than are told.
_CANDIDATES = 500

# Of a trace that does many things at once, so many stuck steps are told.
_STEPS_OF_A_TRACE = 10

_LATEST_EVENTS = 6
_MOST_INPUT = 1000

_BEFORE, _IDLE_BEFORE = (bindparam(name, type_=BigInteger) for name in ("before", "idle_before"))

_IDLE_AT = (
    select(EVENTS.c.timestamp)
    .where(EVENTS.c.trace_key == TRACES.c.id, EVENTS.c.event_type == EventType.STREAM_IDLE.value)
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
_QUIET = (
    select(TRACES.c.id)
    .where(
        IS_RUNNING,
        or_(
            TRACES.c.last_event_at < _BEFORE,
            and_(TRACES.c.stalled, func.coalesce(_IDLE_AT, TRACES.c.last_event_at) < _IDLE_BEFORE),
        ),
    )
    .order_by(TRACES.c.last_event_at, TRACES.c.id)
    .limit(_CANDIDATES)
)
"""Traces of which nothing was heard, and streams of which only keepalives were."""

_HEARTBEAT = func.coalesce(SPANS.c.heartbeat_at, SPANS.c.started_at)
_PULSELESS = (
    select(SPANS.c.trace_key)
    .distinct()
    .select_from(TRACES.join(SPANS, SPANS.c.trace_key == TRACES.c.id))
    .where(IS_RUNNING, SPANS.c.ended_at.is_(None), SPANS.c.started_at < _BEFORE, _HEARTBEAT < _BEFORE)
    .limit(_CANDIDATES)
)
"""Traces with a step whose heart has stopped."""

_quiet, _pulseless = _QUIET.subquery(), _PULSELESS.subquery()
_TRACES = RUNNING.where(TRACES.c.id.in_(union(select(_quiet.c.id), select(_pulseless.c.trace_key))))
"""Those that may be stuck: a stream is told to be silent when it has been for the idle limit already."""

_WITH_NEW_ENDS = (
    select(SPANS.c.trace_key, SPANS.c.parent_span_id)
    .distinct()
    .where(
        among(SPANS.c.trace_key, "keys"),
        among(SPANS.c.parent_span_id, "parents"),
        SPANS.c.ended_at >= _BEFORE,
    )
)
"""Steps in which a step has ended of late."""

_INPUTS: Select[Any] = select(
    SPANS.c.trace_key, SPANS.c.span_id, func.substr(SPANS.c.input_summary, 1, _MOST_INPUT + 1).label("input")
).where(among(SPANS.c.trace_key, "keys"), among(SPANS.c.span_id, "spans"))

_CHILDREN = (
    select(TRACES.c.parent_trace_id, func.count().label("running"))
    .where(among(TRACES.c.parent_trace_id, "parents"), IS_RUNNING)
    .group_by(TRACES.c.parent_trace_id)
)


_is_sign, _is_good = attrgetter("is_sign"), attrgetter("is_good")


class _Stuck(NamedTuple):
    """A stuck step of a trace, or a trace without a step."""

    row: Row[Any]
    step: OpenStep | None
    since_at: int
    silent_since: int | None
    latest: LastEvents


class StuckReader:
    """Finds what is stuck in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stuck(self, minutes: float, limit: int, idle_timeout_ms: int, now: int) -> StuckPage:
        """What has given no sign for `minutes` at the moment `now`. Raises InvalidInput."""
        if not 0 < minutes <= _MOST_MINUTES:
            raise InvalidInput(f"minutes: more than 0, at most {_MOST_MINUTES}", field="minutes")
        if not 1 <= limit <= MOST_STUCK:
            raise InvalidInput(f"limit: between 1 and {MOST_STUCK}", field="limit")
        threshold = int(minutes * 60_000_000)
        before = now - threshold
        with self._database.reading() as connection:
            moments = {"before": before, "idle_before": before + idle_timeout_ms * 1000}
            rows = connection.execute(_TRACES, moments).all()
            found = sorted(_found(connection, rows, before), key=lambda stuck: stuck.since_at)
            items = _explained(connection, found[:limit], now)
        return StuckPage(items, len(found) > limit, threshold, idle_timeout_ms)


def _found(connection: Connection, rows: Sequence[Row[Any]], before: int) -> list[_Stuck]:
    if not rows:
        return []
    keys = [row.id for row in rows]
    latest, steps = last_events(connection, keys, _LATEST_EVENTS), open_steps(connection, keys)
    silent = idle_since(connection, [row.id for row in rows if row.stalled])
    found: list[_Stuck] = []
    for row in rows:
        moved_at = _moved_at(row, latest[row.id], silent.get(row.id))
        for step, since in _of_trace(steps.get(row.id, NO_STEPS), moved_at, before):
            found.append(_Stuck(row, step, since, silent.get(row.id), latest[row.id]))
    return _without_those_whose_children_moved(connection, found, before)


def _moved_at(row: Row[Any], latest: LastEvents, silent_since: int | None) -> int:
    """When the trace last showed that its work moves. Keepalives move `last_event_at`, and nothing else."""
    if silent_since is None:
        return int(row.last_event_at)
    sign = latest.first(_is_sign)
    return max(silent_since, sign.timestamp if sign else silent_since)


def _of_trace(steps: OpenSteps, moved_at: int, before: int) -> Iterator[tuple[OpenStep | None, int]]:
    """The stuck steps of a trace, and since when each is."""
    if not steps.steps:
        if moved_at < before:
            yield None, moved_at
        return
    candidates = [step for step in leaves(steps.steps) if step.started_at < before]
    for step in sorted(candidates, key=_heartbeat)[:_STEPS_OF_A_TRACE]:
        if moved_at < before:
            yield step, moved_at
        elif _heartbeat(step) < before:
            yield step, _heartbeat(step)


def _heartbeat(step: OpenStep) -> int:
    return step.started_at if step.heartbeat_at is None else step.heartbeat_at


def _without_those_whose_children_moved(connection: Connection, found: list[_Stuck], before: int) -> list[_Stuck]:
    """A step need not beat while steps in it come and go: their end is its sign too."""
    parents = [stuck.step.span_id for stuck in found if stuck.step is not None]
    if not parents:
        return found
    keys = list({stuck.row.id for stuck in found})
    rows = connection.execute(_WITH_NEW_ENDS, {"keys": keys, "parents": parents, "before": before})
    moved = {(row.trace_key, row.parent_span_id) for row in rows}
    return [stuck for stuck in found if stuck.step is None or (stuck.row.id, stuck.step.span_id) not in moved]


def _explained(connection: Connection, found: Sequence[_Stuck], now: int) -> list[StuckStep]:
    if not found:
        return []
    inputs = _inputs(connection, found)
    children = connection.execute(_CHILDREN, {"parents": list({stuck.row.trace_id for stuck in found})})
    running = {row.parent_trace_id: int(row.running) for row in children}
    return [_explain(stuck, inputs, running.get(stuck.row.trace_id, 0), now) for stuck in found]


def _inputs(connection: Connection, found: Sequence[_Stuck]) -> dict[tuple[int, str], str | None]:
    """What the stuck steps work on, by trace and span."""
    spans = [stuck.step.span_id for stuck in found if stuck.step is not None]
    if not spans:
        return {}
    rows = connection.execute(_INPUTS, {"keys": list({stuck.row.id for stuck in found}), "spans": spans})
    return {(row.trace_key, row.span_id): row.input for row in rows}


def _explain(stuck: _Stuck, inputs: dict[tuple[int, str], str | None], children: int, now: int) -> StuckStep:
    trace, process = running_trace(stuck.row, stuck.silent_since), owner(stuck.row, now)
    situation = Situation(trace, stuck.step, process, stuck.latest, children, stuck.since_at, now)
    return StuckStep(
        trace=trace,
        step=stuck.step,
        since_at=stuck.since_at,
        stuck_us=max(now - stuck.since_at, 0),
        input_preview=text_preview(inputs.get((stuck.row.id, stuck.step.span_id)), _MOST_INPUT) if stuck.step else None,
        last_event=_glimpse(stuck.latest.first()),
        last_good_event=_glimpse(stuck.latest.first(_is_good)),
        owner=process,
        causes=causes_of(situation),
    )


def _glimpse(event: Latest | None) -> EventGlimpse | None:
    return None if event is None else event.glimpse
