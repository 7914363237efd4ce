"""Traces over time: how they ended, what they used, how long the first content took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from tracekit.errors import InvalidInput
from tracekit.store.engine import Database
from tracekit.store.failures import begin_of
from tracekit.store.percentiles import sampling_step, spread_of
from tracekit.store.question_records import Bucket, Statistics
from tracekit.store.rows import TRACES
from tracekit.types import TraceStatus

__all__ = ["BUCKETS", "StatisticsReader"]

_MINUTE_US = 60_000_000

BUCKETS: Mapping[str, int] = {
    "1m": _MINUTE_US,
    "5m": 5 * _MINUTE_US,
    "15m": 15 * _MINUTE_US,
    "1h": 60 * _MINUTE_US,
    "6h": 360 * _MINUTE_US,
    "1d": 1440 * _MINUTE_US,
}
"""How long a piece of time may be, in microseconds, by name. Pieces begin at whole multiples since 1970, UTC."""

# Enough for each hour of a month.
_MOST_BUCKETS = 750

# Left out, a piece is as short as gives about so many.
_GOOD_NUMBER = 60

# First-content times that are read at most, of all pieces together.
_MOST_VALUES = 50_000

_ERRORS = (TraceStatus.FAILED, TraceStatus.INTERRUPTED)

_LENGTH = bindparam("length", type_=BigInteger)
_FROM, _TO = (bindparam(name, type_=BigInteger) for name in ("since", "until"))
_IN_TIME = (TRACES.c.started_at >= _FROM, TRACES.c.started_at < _TO)

# The piece is worked out inside, so that the parameter stands in the statement once: PostgreSQL does not take two
# parameters for the same.
_TRACES = (
    select(
        (TRACES.c.started_at // _LENGTH).label("piece"),
        TRACES.c.status,
        TRACES.c.end_reason,
        TRACES.c.input_tokens,
        TRACES.c.output_tokens,
        TRACES.c.first_content_us,
    )
    .where(*_IN_TIME)
    .subquery()
)
_COUNTS = select(
    _TRACES.c.piece,
    _TRACES.c.status,
    _TRACES.c.end_reason,
    func.count().label("traces"),
    func.sum(_TRACES.c.input_tokens).label("input_tokens"),
    func.sum(_TRACES.c.output_tokens).label("output_tokens"),
    func.count(_TRACES.c.first_content_us).label("timed"),
).group_by(_TRACES.c.piece, _TRACES.c.status, _TRACES.c.end_reason)

_FIRST_CONTENTS = select((TRACES.c.started_at // _LENGTH).label("piece"), TRACES.c.first_content_us).where(
    *_IN_TIME, TRACES.c.first_content_us.is_not(None), TRACES.c.id % bindparam("step", type_=BigInteger) == 0
)


@dataclass(slots=True)
class _Piece:
    """What is gathered of one piece of time."""

    by_ending: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_contents: list[int] = field(default_factory=list)

    def bucket(self, start_at: int, *, sampled: bool) -> Bucket:
        spread = spread_of(self.first_contents, sampled=sampled)
        tokens = self.input_tokens, self.output_tokens
        return Bucket(start_at, self.by_ending.total(), dict(self.by_ending), self.errors, *tokens, spread)

    def add(self, other: _Piece) -> None:
        self.by_ending += other.by_ending
        self.errors += other.errors
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.first_contents += other.first_contents


class StatisticsReader:
    """Counts the traces in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def statistics(self, hours: float, bucket: str | None, now: int) -> Statistics:
        """The traces that started in the last `hours` before `now`, in pieces of the length that `bucket` names; left
        out, one that gives about 60. The first piece is whole, so it may begin earlier. Raises InvalidInput."""
        length = _length(hours, bucket)
        pieces = range(begin_of(hours, now) // length, now // length + 1)
        if len(pieces) > _MOST_BUCKETS:
            message = f"at most {_MOST_BUCKETS} pieces of time: take longer ones, or fewer hours"
            raise InvalidInput(f"bucket: {message}", field="bucket")
        with self._database.reading() as connection:
            found, sampled = _read(connection, length, pieces)
        total = _Piece()
        for piece in found.values():
            total.add(piece)
        buckets = [found.get(i, _Piece()).bucket(i * length, sampled=sampled) for i in pieces]
        since = pieces.start * length
        return Statistics(since, now, length, buckets, total.bucket(since, sampled=sampled))


def _length(hours: float, bucket: str | None) -> int:
    if bucket is None:
        wanted = hours * 3_600_000_000 / _GOOD_NUMBER
        return next((length for length in BUCKETS.values() if length >= wanted), BUCKETS["1d"])
    if bucket not in BUCKETS:
        raise InvalidInput(f"bucket: one of {', '.join(BUCKETS)}", field="bucket")
    return BUCKETS[bucket]


def _read(connection: Connection, length: int, pieces: range) -> tuple[dict[int, _Piece], bool]:
    """What each piece holds, and whether first-content times were sampled."""
    parameters = {"length": length, "since": pieces.start * length, "until": pieces.stop * length}
    found: defaultdict[int, _Piece] = defaultdict(_Piece)
    timed = 0
    for row in connection.execute(_COUNTS, parameters):
        piece = found[row.piece]
        piece.by_ending[row.end_reason or row.status] += int(row.traces)
        piece.errors += int(row.traces) if row.status in _ERRORS else 0
        piece.input_tokens += int(row.input_tokens or 0)
        piece.output_tokens += int(row.output_tokens or 0)
        timed += int(row.timed)
    step = sampling_step(timed, _MOST_VALUES)
    for number, first_content in connection.execute(_FIRST_CONTENTS, parameters | {"step": step}):
        found[number].first_contents.append(first_content)
    return found, step > 1
