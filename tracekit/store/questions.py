"""The questions about all traces together, and about the inside of one: a part of `TraceStore`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tracekit.store.activity import ActivityReader
from tracekit.store.checkpoints import CheckpointReader
from tracekit.store.engine import Database
from tracekit.store.failures import FailureReader, begin_of
from tracekit.store.graph import GraphReader
from tracekit.store.layers import LayerReader
from tracekit.store.process_alerts import process_alerts
from tracekit.store.processes import processes
from tracekit.store.question_records import (
    ActiveTraces,
    LayerFacts,
    LayerPage,
    Owner,
    ProcessAlert,
    Statistics,
    StuckPage,
    TopFailures,
)
from tracekit.store.records import TraceRecord
from tracekit.store.slowest import slowest
from tracekit.store.spans import SpanReader
from tracekit.store.statistics import StatisticsReader
from tracekit.store.stuck import StuckReader
from tracekit.store.tree_records import Checkpoint, Graph, SpanDetail, SpanTreePage

__all__ = ["Questions"]

_IDLE_TIMEOUT_MS = 30_000


class Questions:
    """Where the work is, why it is stuck, what failed. `now` is a moment in microseconds UTC; left out, this one.

    Every method may raise StoreUnavailable, InvalidInput where an argument is out of its range, and, where it takes
    a trace id, NotFound.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._activity = ActivityReader(database)
        self._stuck = StuckReader(database)
        self._failures = FailureReader(database)
        self._layers = LayerReader(database)
        self._statistics = StatisticsReader(database)
        self._spans = SpanReader(database)
        self._graph = GraphReader(database)
        self._checkpoints = CheckpointReader(database)

    # All traces

    def active(
        self, *, limit: int = 50, idle_timeout_ms: int = _IDLE_TIMEOUT_MS, now: int | None = None
    ) -> ActiveTraces:
        """The traces that run, with their health and the step each is in; those in trouble first.

        `limit` is within 1 to 500, `idle_timeout_ms` the setting of that name.
        """
        return self._activity.active(limit, idle_timeout_ms, _moment(now))

    def stuck(
        self,
        minutes: float = 5,
        *,
        limit: int = 50,
        idle_timeout_ms: int = _IDLE_TIMEOUT_MS,
        now: int | None = None,
    ) -> StuckPage:
        """The steps that have given no sign for `minutes`, and the traces without data; the longest first, each with
        its last event, its process and what may be the cause. `limit` is within 1 to 200."""
        return self._stuck.stuck(minutes, limit, idle_timeout_ms, _moment(now))

    def top_failures(self, hours: float = 24, *, limit: int = 20, now: int | None = None) -> TopFailures:
        """For which reasons, and in which layers, most spans and traces failed in the last `hours`. `limit` is within
        1 to 200."""
        return self._failures.top(hours, limit, _moment(now))

    def layers(self, hours: float = 24, *, now: int | None = None) -> Sequence[LayerFacts]:
        """The layers of the spans that began in the last `hours`, the one with most spans first."""
        return self._layers.layers(hours, _moment(now))

    def layer(self, name: str, hours: float = 24, *, now: int | None = None) -> LayerPage:
        """One layer with its steps and failures. Raises NotFound where no span ever named it."""
        return self._layers.layer(name, hours, _moment(now))

    def statistics(self, hours: float = 24, bucket: str | None = None, *, now: int | None = None) -> Statistics:
        """The traces that started in the last `hours`, in pieces of time: `1m`, `5m`, `15m`, `1h`, `6h` or `1d`; left
        out, one that gives about 60, and never more than 750."""
        return self._statistics.statistics(hours, bucket, _moment(now))

    def slowest(self, hours: float = 24, *, limit: int = 20, now: int | None = None) -> Sequence[TraceRecord]:
        """The traces of the last `hours` that took the longest; of more than some thousand, among the newest."""
        return slowest(self._database, begin_of(hours, _moment(now)), limit)

    def processes(self, *, limit: int = 100, now: int | None = None) -> Sequence[Owner]:
        """The processes that record, the one that beat last first."""
        return processes(self._database, limit, _moment(now))

    def alerts(self, *, now: int | None = None) -> Sequence[ProcessAlert]:
        """The alerts that living processes raise, as of the last heartbeat of each; the oldest first."""
        return process_alerts(self._database, _moment(now))

    # One trace

    def spans(self, trace_id: str, *, limit: int = 1000, cursor: str | None = None) -> SpanTreePage:
        """The spans of a trace in the order of their tree. `limit` is within 1 to 5000; `cursor` is the `next_cursor`
        of the page before. While the trace runs, spans that begin in between move those after them."""
        return self._spans.page(trace_id, limit, cursor)

    def span(self, trace_id: str, span_id: str) -> SpanDetail:
        """One span with all that is stored of it. Raises NotFound where the trace has none of this id."""
        return self._spans.one(trace_id, span_id)

    def graph(self, trace_id: str, *, limit: int = 2000) -> Graph:
        """Spans, tool calls and child runs as nodes and links, at most `limit` (1 to 20,000) and 200 runs."""
        return self._graph.graph(trace_id, limit)

    def checkpoints(self, trace_id: str) -> Sequence[Checkpoint]:
        """The checkpoints of a trace in order, with their evidence, and whether they were found to hold."""
        return self._checkpoints.checkpoints(trace_id)


def _moment(now: int | None) -> int:
    return time.time_ns() // 1000 if now is None else now
