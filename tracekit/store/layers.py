"""How the layers of an app do: how many spans, how many of them well, and how long they take.

Counts are exact. Percentiles are exact up to some thousand spans; of more a sample is read that is spread evenly over
the time, so that what is carried to Python stays small however many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    bindparam,
    case,
    func,
    literal_column,
    select,
)

from tracekit.errors import NotFound
from tracekit.store.engine import Database
from tracekit.store.failures import begin_of, failures_of_layer
from tracekit.store.percentiles import MOST_VALUES, sampling_step, spread_of
from tracekit.store.question_records import LayerFacts, LayerPage, StepFacts
from tracekit.store.rows import SPANS, is_storable
from tracekit.types import SpanStatus

__all__ = ["LayerReader"]

_MOST_LAYERS = 200
_MOST_STEPS = 100
_MOST_REASONS = 20

# Durations that are read at most, of all layers together, unless there are very many layers.
_MOST_DURATIONS = 30_000

_STATUSES = tuple(SpanStatus)
_ENDED = (SpanStatus.SUCCESS, SpanStatus.FAILED, SpanStatus.CANCELED)

_SINCE = bindparam("since", type_=BigInteger)
_OF_LAYER = {
    True: SPANS.c.layer == bindparam("layer", type_=String),
    False: SPANS.c.layer.is_(None),
}
"""The spans of a layer, by whether it has a name: nothing equals a null."""


def _written(status: SpanStatus) -> ColumnElement[Any]:
    return literal_column(f"'{status.value}'")


def _names() -> Select[Any]:
    """The names of the layers, in order: each is looked up as the next after the one before, past all its spans."""
    found = select(func.min(SPANS.c.layer).label("layer")).cte("layers", recursive=True)
    following = select(func.min(SPANS.c.layer)).where(SPANS.c.layer > found.c.layer).scalar_subquery()
    found = found.union_all(select(following).where(found.c.layer.is_not(None)))
    return select(found.c.layer).where(found.c.layer.is_not(None)).limit(_MOST_LAYERS)


def _counts(of_layer: ColumnElement[bool]) -> Select[Any]:
    """How many spans of a layer have each status: a range of the index for each."""
    return select(
        *(
            select(func.count())
            .where(of_layer, SPANS.c.status == _written(status), SPANS.c.started_at >= _SINCE)
            .scalar_subquery()
            .label(status.value)
            for status in _STATUSES
        )
    )


def _durations(of_layer: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    """Each `step`-th duration. Moments have microseconds, so dividing them chooses as evenly as counting would."""
    return select((SPANS.c.ended_at - SPANS.c.started_at).label("took"), *columns).where(
        of_layer,
        SPANS.c.status.in_([_written(status) for status in _ENDED]),
        SPANS.c.started_at >= _SINCE,
        SPANS.c.started_at % bindparam("step", type_=BigInteger) == 0,
        SPANS.c.ended_at.is_not(None),
    )


def _steps() -> Select[Any]:
    by_status = (
        func.sum(case((SPANS.c.status == _written(status), 1), else_=0)).label(status.value) for status in _STATUSES
    )
    return (
        select(SPANS.c.step_name, func.count().label("spans"), func.count().over().label("names"), *by_status)
        .where(_OF_LAYER[True], SPANS.c.status.in_(list(map(_written, _STATUSES))), SPANS.c.started_at >= _SINCE)
        .group_by(SPANS.c.step_name)
        .order_by(func.count().desc(), SPANS.c.step_name)
        .limit(_MOST_STEPS)
    )


_NAMES = _names()
_COUNTS = {named: _counts(of_layer) for named, of_layer in _OF_LAYER.items()}
_DURATIONS = {named: _durations(of_layer) for named, of_layer in _OF_LAYER.items()}
_STEP_DURATIONS = _durations(_OF_LAYER[True], SPANS.c.step_name)
_STEPS = _steps()
_ANY = select(SPANS.c.trace_key).where(_OF_LAYER[True]).limit(1)


class LayerReader:
    """Measures the layers in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def layers(self, hours: float, now: int) -> list[LayerFacts]:
        """The layers with spans that began in the last `hours` before `now`, most spans first; of more than 200 the
        first by name. Raises InvalidInput."""
        since = begin_of(hours, now)
        with self._database.reading() as connection:
            names = [None, *connection.execute(_NAMES).scalars()]
            found = [_facts(connection, name, since, len(names)) for name in names]
        return sorted((facts for facts in found if facts.spans), key=lambda facts: -facts.spans)

    def layer(self, name: str, hours: float, now: int) -> LayerPage:
        """One layer with its steps. Raises InvalidInput, and NotFound where no span ever named this layer."""
        since = begin_of(hours, now)
        with self._database.reading() as connection:
            if not is_storable(name) or connection.execute(_ANY, {"layer": name}).first() is None:
                raise NotFound(f"no span has the layer {name[:64]!r}")
            facts = _facts(connection, name, since, 1)
            steps, left_out = _step_facts(connection, name, since, facts.spans)
            failures = failures_of_layer(connection, name, since, _MOST_REASONS)
        return LayerPage(facts, steps, left_out, failures, since)


def _facts(connection: Connection, name: str | None, since: int, layers: int) -> LayerFacts:
    parameters = {"layer": name, "since": since} if name is not None else {"since": since}
    row = connection.execute(_COUNTS[name is not None], parameters).one()._mapping
    by_status = _by_status(row)
    ended = sum(by_status.get(status.value, 0) for status in _ENDED)
    step = sampling_step(ended, min(MOST_VALUES, max(1000, _MOST_DURATIONS // layers)))
    took = connection.execute(_DURATIONS[name is not None], parameters | {"step": step}).scalars()
    spread = spread_of(took, sampled=step > 1)
    return LayerFacts(name, sum(by_status.values()), by_status, _success_rate(by_status), spread)


def _step_facts(connection: Connection, layer: str, since: int, spans: int) -> tuple[list[StepFacts], int]:
    """The steps of a layer with most spans, and how many there are besides."""
    parameters = {"layer": layer, "since": since}
    rows = connection.execute(_STEPS, parameters).all()
    step = sampling_step(spans)
    durations: defaultdict[str, list[int]] = defaultdict(list)
    for took, name in connection.execute(_STEP_DURATIONS, parameters | {"step": step}):
        durations[name].append(took)
    facts = []
    for row in rows:
        by_status = _by_status(row._mapping)
        spread = spread_of(durations[row.step_name], sampled=step > 1)
        facts.append(StepFacts(row.step_name, int(row.spans), by_status, _success_rate(by_status), spread))
    return facts, (int(rows[0].names) if rows else 0) - len(rows)


def _by_status(row: Mapping[Any, Any]) -> dict[str, int]:
    return {status.value: int(row[status.value]) for status in _STATUSES if row[status.value]}


def _success_rate(by_status: Mapping[str, int]) -> float | None:
    good, bad = (by_status.get(status.value, 0) for status in (SpanStatus.SUCCESS, SpanStatus.FAILED))
    return good / (good + bad) if good + bad else None
