"""What failed most in the last hours: by reason and layer, with the latest one of each to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Row, Select, bindparam, func, literal_column, select

from tracekit.errors import InvalidInput
from tracekit.reasons import REASONS
from tracekit.store.engine import Database
from tracekit.store.question_records import Failure, FailureSample, TopFailures
from tracekit.store.rows import SPANS, TRACES

__all__ = ["FAILED_SPANS", "MOST_HOURS", "PROCESS_ADVICE", "FailureReader", "begin_of", "failures_of_layer"]

MOST_HOURS = 24 * 366
_MOST_FAILURES = 200

_SINCE = bindparam("since", type_=BigInteger)

# Written out and not bound: SQLite uses the indexes of failures only where the statement itself names failures.
_FAILED_TRACES = TRACES.c.status.in_([literal_column("'failed'"), literal_column("'interrupted'")])
FAILED_SPANS = SPANS.c.status == literal_column("'failed'")
"""Spans that failed, in the words of their index."""

_SPAN_KEY = (SPANS.c.reason_code, SPANS.c.layer)
_TRACE_KEY = (TRACES.c.reason_code, TRACES.c.end_reason)

_SPANS = (
    select(*_SPAN_KEY, func.count().label("failed"), func.max(SPANS.c.ended_at).label("last"))
    .where(FAILED_SPANS, SPANS.c.ended_at >= _SINCE)
    .group_by(SPANS.c.status, *_SPAN_KEY)
)
_TRACES = (
    select(*_TRACE_KEY, func.count().label("failed"), func.max(TRACES.c.ended_at).label("last"))
    .where(_FAILED_TRACES, TRACES.c.ended_at >= _SINCE)
    .group_by(TRACES.c.status, *_TRACE_KEY)
)
_SPAN_SAMPLES = (
    select(TRACES.c.trace_id, SPANS.c.span_id, *_SPAN_KEY, SPANS.c.ended_at)
    .select_from(SPANS.join(TRACES, TRACES.c.id == SPANS.c.trace_key))
    .where(FAILED_SPANS)
)
_TRACE_SAMPLES = select(
    TRACES.c.trace_id, literal_column("NULL").label("span_id"), *_TRACE_KEY, TRACES.c.ended_at
).where(_FAILED_TRACES)

PROCESS_ADVICE = {
    "PROCESS_DIED": "See why its process died: memory, a signal, a deployment.",
    "RECORDING_FAILED": "Read the log of the app; the stream itself went on.",
}
"""What to do about reasons that are not an error of anybody's code."""

_Key = tuple[str | None, str | None, int]
"""What the latest failure of a group is found by: two columns, and when it ended."""


class _Group(NamedTuple):
    """Failures of one kind, as the database counts them."""

    kind: Literal["trace", "span"]
    reason_code: str | None
    layer: str | None
    failed: int
    key: _Key

    @property
    def last_at(self) -> int:
        return self.key[2]


class FailureReader:
    """Counts failures in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def top(self, hours: float, limit: int, now: int) -> TopFailures:
        """The most frequent failures that ended in the last `hours` before `now`. Raises InvalidInput."""
        since = begin_of(hours, now)
        if not 1 <= limit <= _MOST_FAILURES:
            raise InvalidInput(f"limit: between 1 and {_MOST_FAILURES}", field="limit")
        with self._database.reading() as connection:
            spans = [_span_group(row) for row in connection.execute(_SPANS, {"since": since})]
            traces = _merged(_trace_group(row) for row in connection.execute(_TRACES, {"since": since}))
            items = _failures(connection, [*traces, *spans], limit)
        return TopFailures(items, since, *(sum(group.failed for group in groups) for groups in (traces, spans)))


def begin_of(hours: float, now: int) -> int:
    """The moment `hours` before `now`, in microseconds.

    Raises:
        InvalidInput: they are not more than 0, or more than a year's.
    """
    if not 0 < hours <= MOST_HOURS:
        raise InvalidInput(f"hours: more than 0, at most {MOST_HOURS}", field="hours")
    return now - int(hours * 3_600_000_000)


def failures_of_layer(connection: Connection, layer: str, since: int, limit: int) -> list[Failure]:
    """Why spans of a layer failed since a moment, the most frequent reason first."""
    rows = connection.execute(_SPANS.where(SPANS.c.layer == layer), {"since": since})
    return _failures(connection, [_span_group(row) for row in rows], limit)


def _failures(connection: Connection, groups: Iterable[_Group], limit: int) -> list[Failure]:
    """The largest groups with what is known of their reasons, and the latest failure of each as a sample."""
    top = sorted(groups, key=lambda group: (-group.failed, -group.last_at))[:limit]
    spans = _samples(connection, _SPAN_SAMPLES, _SPAN_KEY, [group.key for group in top if group.kind == "span"])
    traces = _samples(connection, _TRACE_SAMPLES, _TRACE_KEY, [group.key for group in top if group.kind == "trace"])
    return [_failure(group, (spans if group.kind == "span" else traces).get(group.key)) for group in top]


def _span_group(row: Row[Any]) -> _Group:
    return _Group("span", row.reason_code, row.layer, int(row.failed), (row.reason_code, row.layer, row.last))


def _trace_group(row: Row[Any]) -> _Group:
    """A trace that was interrupted has no reason code; how it ended stands for one."""
    told = row.reason_code or (row.end_reason or "").upper() or None
    return _Group("trace", told, None, int(row.failed), (row.reason_code, row.end_reason, row.last))


def _merged(groups: Iterable[_Group]) -> list[_Group]:
    """One group for each reason that is told; the latest of its failures stands for it."""
    merged: dict[str | None, _Group] = {}
    for group in groups:
        other = merged.get(group.reason_code, group._replace(failed=0))
        latest = max(group.key, other.key, key=lambda key: key[2])
        merged[group.reason_code] = group._replace(failed=group.failed + other.failed, key=latest)
    return list(merged.values())


def _samples(
    connection: Connection, statement: Select[Any], columns: Sequence[Column[Any]], keys: Sequence[_Key]
) -> dict[_Key, FailureSample]:
    """The failures that have these keys, and perhaps some that have parts of several.

    The parts are asked for one by one, which both databases look up in an index; pairs of values SQLite would not.
    Nothing equals a null, so keys are asked for by which parts they lack.
    """
    found: dict[_Key, FailureSample] = {}
    for lacking, alike in groupby(sorted(keys, key=_lacking), key=_lacking):
        *parts, moments = zip(*alike, strict=True)
        conditions = [
            column.is_(None) if missing else column.in_(sorted(set(values)))
            for column, missing, values in zip(columns, lacking, parts, strict=True)
        ]
        ended_at = statement.selected_columns["ended_at"].in_(sorted(set(moments)))
        rows = connection.execute(statement.where(*conditions, ended_at))
        found.update({(row[2], row[3], row[4]): FailureSample(row.trace_id, row.span_id) for row in rows})
    return found


def _lacking(key: _Key) -> tuple[bool, bool]:
    return key[0] is None, key[1] is None


def _failure(group: _Group, sample: FailureSample | None) -> Failure:
    reason = REASONS.get(group.reason_code or "")
    return Failure(
        kind=group.kind,
        reason_code=group.reason_code,
        layer=group.layer,
        count=group.failed,
        last_at=group.last_at,
        sample=sample,
        reason_class=reason.reason_class if reason else "unknown",
        advice=reason.advice if reason else PROCESS_ADVICE.get(group.reason_code or ""),
    )
