"""The traces of a process that are not written to their end: adopted, processed, gathered into batches, let go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tracekit.budget import Budget
from tracekit.config import SystemSettings
from tracekit.pipeline import TracePipeline
from tracekit.plugins import PluginHost
from tracekit.store.batch import Batch
from tracekit.trace import TaskTraceRecorder, entry_cost
from tracekit.types import Decision, EndReason

__all__ = ["OpenTraces", "Pending"]

# Entries of one trace that are processed in one go.
_SLICE = 64
# After so long the interpreter is offered to other threads, since the event loop must not wait: the shorter time while
# streams go by. An offer takes some 20 µs; to yield without sleeping takes less, and nobody gets the interpreter then.
_TURN_NS, _LONG_TURN_NS = 200_000, 1_000_000
# Bytes captured that go into one transaction, and so the longest it holds the database: some tens of milliseconds.
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Pending:
    """A batch that is to be written, and what it took of the budget."""

    batch: Batch = field(default_factory=Batch)
    cost: int = 0
    pipelines: list[TracePipeline] = field(default_factory=list)


class OpenTraces:
    """For one thread at a time, but for `add`, `count` and `held`, which any thread may use."""

    def __init__(
        self,
        budget: Budget,
        plugins: PluginHost,
        *,
        settings: Callable[[], SystemSettings],
        decide: Callable[[TaskTraceRecorder], Decision | None],
        process_id: str,
        heartbeat_us: int,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        """`decide` says whether a trace is recorded of which that was not known yet; None: still not."""
        self.to_seal: deque[str] = deque()
        """Traces that have ended and whose rows of frames are to be merged."""
        self._budget = budget
        self._plugins = plugins
        self._settings = settings
        self._decide = decide
        self._process_id = process_id
        self._heartbeat_us = heartbeat_us
        self._on_fault = on_fault
        self._arrivals: deque[TaskTraceRecorder] = deque()
        self._undecided: list[TaskTraceRecorder] = []
        self._pipelines: dict[str, TracePipeline] = {}
        self._given_up: list[TaskTraceRecorder] = []
        self._turn_began = self._captured = 0

    def add(self, trace: TaskTraceRecorder) -> None:
        """A trace whose entries are to be written."""
        self._arrivals.append(trace)

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self._pipelines) + len(self._arrivals) + len(self._undecided)

    @property
    def held(self) -> int:
        """Frames and events that wait in memory for what follows them."""
        return sum(pipeline.held for pipeline in list(self._pipelines.values()))

    @property
    def are_known(self) -> bool:
        """Of none it is open whether it is recorded."""
        return not self._undecided

    def __bool__(self) -> bool:
        return bool(self._pipelines or self._undecided or self._arrivals or self._given_up)

    def adopt(self) -> None:
        """Open a pipeline for each trace that is to be recorded."""
        waiting, self._undecided = self._undecided, []
        while self._arrivals:
            waiting.append(self._arrivals.popleft())
        for trace in waiting:
            trace.decision = trace.decision or self._decide(trace)
            if trace.decision is None:
                self._undecided.append(trace)
            elif trace.decision.record:
                self._open(trace)
            else:
                trace.discard()

    def _open(self, trace: TaskTraceRecorder) -> None:
        try:
            self._pipelines[trace.trace_id] = TracePipeline(
                trace, self._settings(), self._plugins, self._process_id, self._heartbeat_us
            )
        except BaseException as error:  # noqa: BLE001 - one broken trace never costs the others
            self._on_fault("pipeline", error)
            trace.discard()

    def gather(self) -> Pending | None:
        """Process what waits, up to the size of a batch. None: nothing to write."""
        pending, now = Pending(), time.monotonic_ns()
        for pipeline in list(self._pipelines.values()):
            try:
                pending.cost += self._advance(pipeline, now)
                pipeline.collect(pending.batch)
            except BaseException as error:  # noqa: BLE001 - one broken trace never costs the others
                self._give_up(pipeline, error, pending.batch)
            pending.pipelines.append(pipeline)
            if pending.cost > _BATCH_BYTES:
                break
        if pending.batch or pending.cost:
            return pending
        self.let_go(pending.pipelines)
        return None

    def _advance(self, pipeline: TracePipeline, now: int) -> int:
        """Process a trace's entries in small slices; what they cost in memory."""
        cost, trace = 0, pipeline.trace
        while cost <= _BATCH_BYTES and (entries := trace.take(_SLICE)):
            cost += pipeline.process(entries)
            self._offer_turn()
        pipeline.tick(now)
        if pipeline.abandoned:
            pipeline.abandon(EndReason.RECORDING_FAILED, now)
        return cost

    def _offer_turn(self) -> None:
        captured = self._budget.appended
        turn = _LONG_TURN_NS if captured == self._captured else _TURN_NS
        if time.monotonic_ns() - self._turn_began >= turn:
            time.sleep(0)
            self._turn_began, self._captured = time.monotonic_ns(), captured

    def _give_up(self, pipeline: TracePipeline, error: BaseException, batch: Batch) -> None:
        """End the record of a trace that could not be processed; what still comes of it is thrown away."""
        self._on_fault("pipeline", error)
        self._pipelines.pop(pipeline.trace.trace_id, None)
        self._given_up.append(pipeline.trace)
        try:
            pipeline.abandon(EndReason.RECORDING_FAILED, time.monotonic_ns())
            pipeline.collect(batch)
        except BaseException as fault:  # noqa: BLE001 - it could not even be ended
            self._on_fault("pipeline", fault)

    def throw_away(self) -> None:
        """Nobody else takes what capture goes on noting of a trace that was given up."""
        for trace in self._given_up:
            entries = trace.take(len(trace.entries))
            self._budget.release(sum(map(entry_cost, entries)))
        self._given_up = [trace for trace in self._given_up if not trace.closed or trace.entries]

    def let_go(self, pipelines: Sequence[TracePipeline]) -> None:
        """Their rows are written: forget those that have come to their end."""
        for pipeline in pipelines:
            if pipeline.wants_sealing:
                self.to_seal.append(pipeline.trace.trace_id)
                pipeline.sealed()
            if pipeline.done:
                self._pipelines.pop(pipeline.trace.trace_id, None)
                self._plugins.trace_finished(pipeline.info)

    def end_all(self) -> None:
        """The recorder stops: streams that are still open end here, as far as their record goes."""
        self.adopt()
        for pipeline in self._pipelines.values():
            trace = pipeline.trace
            if not trace.finished:
                trace.finalize(EndReason.PROCESS_DIED, detail="the process stopped while the answer was being written")
            trace.close()
