"""The writer: one thread of a process that turns what was captured into rows and writes them in batches.

Frames leave memory only after the commit that holds them, or when they are in the spool. While the database cannot be
written, the batch that failed waits and is tried again, and what is captured meanwhile waits in the traces' buffers,
within the budget; after some seconds, or when memory runs short, all of it goes to the spool.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tracekit.budget import Budget
from tracekit.config import SystemSettings
from tracekit.errors import StoreError
from tracekit.pipeline import TracePipeline
from tracekit.plugins import PluginHost
from tracekit.spool import Spool
from tracekit.store.batch import Batch
from tracekit.store.writes import WriteResult
from tracekit.trace import TaskTraceRecorder, entry_cost
from tracekit.types import Decision, EndReason

__all__ = ["FlushResult", "Sink", "Writer", "WriterCounters"]

logger = logging.getLogger("tracekit.writer")

# Entries of one trace processed before the interpreter is offered to other threads: about 0.2 ms of work.
_SLICE = 64
# Bytes captured that go into one transaction, and so the longest it holds the database: some tens of milliseconds.
_BATCH_BYTES = 4 * 1024 * 1024
_MOST_PAUSE_S = 5.0
_LAST_PAUSE_S = 0.02
# Seconds that a database may be away before the spool takes what waits: most are locked, or restart, for less.
_PATIENCE_S = 5.0
# Seconds before the end of the time to stop in which the spool takes what could not be written.
_LAST_CALL_S = 1.0
_LOG_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Sink:
    """Where batches go."""

    ready: Callable[[], bool]
    write: Callable[[Batch], WriteResult]
    """Raises StoreError when nothing can be written now."""
    seal: Callable[[str], None]
    """Merge the rows of a trace. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What a flush achieved. `complete`: all that was captured before the call is in the database, but for what was
    dropped or refused and is counted, and for what is `held`."""

    complete: bool
    written: int
    """Events written since the recorder started."""
    failed: int
    """Events that the database refused, since then."""
    waiting_bytes: int
    held: int
    """Frames and events of running streams that wait in memory for what follows: until it is known who can read the
    stream, half a second at most, or while a secret may be growing in it. A process that is killed loses them."""


@dataclass(slots=True)
class WriterCounters:
    """What the writer did since it started."""

    batches: int = 0
    traces: int = 0
    events: int = 0
    failed_events: int = 0
    orphaned_events: int = 0
    """Events of traces that were deleted, or whose own row was refused."""
    failed_batches: int = 0
    """Attempts that the database refused as a whole."""
    consecutive_failures: int = 0
    last_flush_at: float | None = None
    """Unix time, seconds."""
    last_problem: str | None = None
    flush_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1000))


class _Relieved(Exception):
    """The thread has nothing more to do: another has taken over."""


@dataclass(slots=True)
class _Pending:
    batch: Batch
    cost: int
    pipelines: list[TracePipeline]


class Writer:
    """Owns the traces of a process from their registration to their last row."""

    def __init__(
        self,
        sink: Sink,
        budget: Budget,
        spool: Spool,
        *,
        plugins: PluginHost,
        settings: Callable[[], SystemSettings],
        decide: Callable[[TaskTraceRecorder], Decision | None],
        process_id: str,
        heartbeat_us: int,
    ) -> None:
        self.counters = WriterCounters()
        self.on_fault: Callable[[str, BaseException], None] = _log_fault
        self._sink = sink
        self._budget = budget
        self.spool = spool
        self._plugins = plugins
        self._settings = settings
        self._decide = decide
        self._process_id = process_id
        self._heartbeat_us = heartbeat_us
        self._arrivals: deque[TaskTraceRecorder] = deque()
        self._undecided: list[TaskTraceRecorder] = []
        self._pipelines: dict[str, TracePipeline] = {}
        self._to_seal: deque[str] = deque()
        self._given_up: list[TaskTraceRecorder] = []
        self._pending: _Pending | None = None
        self._retry_at = 0.0
        self._away_since: float | None = None
        self._logged_at = -_LOG_INTERVAL_S
        self._wake = threading.Event()
        self._turn = threading.Condition()
        self._flush_asked = 0
        self._flush_done = 0
        self._stopping = False
        self._give_up_at = 0.0
        # Held by whoever tends the traces; free while the thread waits for the database.
        self._duty = threading.Lock()
        self._relieved = False
        self._thread: threading.Thread | None = None
        self.beat = time.monotonic()
        """When the thread last went round, monotonic seconds."""

    # From other threads

    def add(self, trace: TaskTraceRecorder) -> None:
        """A trace whose entries are to be written. Called on the event loop; returns at once."""
        self._arrivals.append(trace)
        self._wake.set()

    def wake(self) -> None:
        """Write before the interval is over."""
        if not self._wake.is_set():
            self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def open_traces(self) -> int:
        """Traces that are not written to their end."""
        return len(self._pipelines) + len(self._arrivals) + len(self._undecided)

    @property
    def held(self) -> int:
        """Frames and events that wait in memory for what follows them."""
        return sum(pipeline.held for pipeline in list(self._pipelines.values()))

    def start(self) -> None:
        """Start the thread, or another one in the place of one that died; nothing if it runs."""
        with self._turn:
            if self.alive or self._stopping:
                return
            self._thread = threading.Thread(target=self._run, name="tracekit-writer", daemon=True)
            self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was captured before is written; False if that took longer than `timeout` seconds."""
        with self._turn:
            self._flush_asked += 1
            mark = self._flush_asked
            self._retry_at = 0.0
            self._wake.set()
            return self._turn.wait_for(lambda: self._flush_done >= mark or not self.alive, timeout) and (
                self._flush_done >= mark
            )

    def stop(self, timeout: float) -> bool:
        """Write what there is, end what is open, and end the thread; False if it did not end in time.

        A thread that the database keeps waiting is relieved a second before the end: what it has goes to the spool.
        """
        thread = self._thread
        self._give_up_at = time.monotonic() + timeout
        self._stopping = True
        self._retry_at = 0.0
        self._wake.set()
        if thread is None:
            return True
        thread.join(max(0.0, timeout - _LAST_CALL_S))
        if thread.is_alive() and self._duty.acquire(timeout=min(timeout, _LAST_CALL_S)):
            self._relieved = True
            try:
                self._spool_all()
            finally:
                self._duty.release()
        return self._relieved or not thread.is_alive()

    def _spool_all(self) -> None:
        """What waits in memory, in the place of a thread that cannot."""
        self._end_open_traces()
        self._throw_away()
        while (pending := self._pending or self._gather()) and self.spool.keep(pending.batch):
            self._let_go(pending)

    # The thread

    def _run(self) -> None:
        with suppress(_Relieved):
            self._tend()

    def _tend(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause())
            self._wake.clear()
            self._go_round()
        with self._duty:
            self._end_open_traces()
        # A script that ends at once may be here before the database is ready, and before it is known what to record.
        while not self._go_round() and self._holds_anything and time.monotonic() < self._give_up_at:
            self._retry_at = 0.0
            time.sleep(_LAST_PAUSE_S)
            with self._duty:
                self._end_open_traces()

    def _pause(self) -> float | None:
        if not self._holds_anything and not self._to_seal and self.spool.is_empty:
            return None
        interval = self._settings().task_trace_flush_interval_ms / 1000
        if self._may_spool():
            return interval
        return max(interval, min(self._retry_at - time.monotonic(), _MOST_PAUSE_S))

    @property
    def _holds_anything(self) -> bool:
        """Whether something waits in memory."""
        waiting = (self._pipelines, self._undecided, self._pending, self._arrivals, self._given_up)
        return any(waiting)

    def _go_round(self) -> bool:
        """Write what waits; whether nothing waits any more."""
        self.beat = time.monotonic()
        asked = self._flush_asked
        try:
            with self._duty:
                drained = not self._relieved and self._write_all()
        except _Relieved:
            raise
        except BaseException as error:  # noqa: BLE001 - the writer outlives its own bugs; the fault is counted
            self.on_fault("writer", error)
            drained = False
        if drained:
            with self._turn:
                self._flush_done = asked
                self._turn.notify_all()
            if not self._pipelines and not self._arrivals:
                self._budget.settle()
        return drained

    def _write_all(self) -> bool:
        """Batches until nothing waits; False if something could not be written to the database."""
        if self._is_away() and not self._may_spool():
            return False
        self._throw_away()
        while True:
            self._adopt()
            self._budget.rearm()
            self._pending = self._pending or self._gather()
            if self._pending is None:
                return self._catch_up() and self._seal() and not self._undecided
            if not self._write_pending(self._pending):
                return False

    def _is_away(self) -> bool:
        """The database is not to be tried now."""
        away = not self._sink.ready() or time.monotonic() < self._retry_at
        if away:
            self._away_since = self._away_since or time.monotonic()
        elif not self.counters.consecutive_failures:
            self._away_since = None
        return away

    def _may_spool(self) -> bool:
        """Whether what waits goes to the spool: it is in use, or memory should not hold more, or not for longer."""
        if not self.spool.is_empty or self._budget.waiting > self._budget.limit // 2:
            return True
        now = time.monotonic()
        if self._stopping and now > self._give_up_at - _LAST_CALL_S:
            return True
        return self._away_since is not None and now - self._away_since > _PATIENCE_S

    def _catch_up(self) -> bool:
        """Write what the spool holds, which comes first; whether it holds nothing any more."""
        if self.spool.is_empty:
            return True
        if self._is_away():
            return False
        try:
            return self.spool.write_back(self._write)
        except StoreError as error:
            self._failed(error)
            return False

    def _write(self, batch: Batch) -> None:
        """Write to the database. Raises StoreError, or _Relieved where somebody has taken over meanwhile."""
        began = time.perf_counter()
        self._duty.release()
        try:
            result = self._sink.write(batch)
        finally:
            self._duty.acquire()
            if self._relieved:
                raise _Relieved
        self._count(result, time.perf_counter() - began)

    def _adopt(self) -> None:
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
            self.on_fault("pipeline", error)
            trace.discard()

    def _gather(self) -> _Pending | None:
        """Process what waits, up to the size of a batch. None: nothing to write."""
        pending = _Pending(Batch(), 0, [])
        now = time.monotonic_ns()
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
        self._close_done(pending.pipelines)
        return None

    def _advance(self, pipeline: TracePipeline, now: int) -> int:
        """Process a trace's entries in small slices; what they cost in memory."""
        cost, trace = 0, pipeline.trace
        while cost <= _BATCH_BYTES and (entries := trace.take(_SLICE)):
            cost += pipeline.process(entries)
            time.sleep(0)
        pipeline.tick(now)
        if pipeline.abandoned:
            pipeline.abandon(EndReason.RECORDING_FAILED, now)
        return cost

    def _give_up(self, pipeline: TracePipeline, error: BaseException, batch: Batch) -> None:
        """End the record of a trace that could not be processed; what still comes of it is thrown away."""
        self.on_fault("pipeline", error)
        self._pipelines.pop(pipeline.trace.trace_id, None)
        self._given_up.append(pipeline.trace)
        try:
            pipeline.abandon(EndReason.RECORDING_FAILED, time.monotonic_ns())
            pipeline.collect(batch)
        except BaseException as fault:  # noqa: BLE001 - it could not even be ended
            self.on_fault("pipeline", fault)

    def _throw_away(self) -> None:
        """Nobody else takes what capture goes on noting of a trace that was given up."""
        for trace in self._given_up:
            entries = trace.take(len(trace.entries))
            self._budget.release(sum(map(entry_cost, entries)))
        self._given_up = [trace for trace in self._given_up if not trace.closed or trace.entries]

    def _write_pending(self, pending: _Pending) -> bool:
        """Whether a batch needs no more memory: it is written, or behind others in the spool."""
        if self._is_away() or not self._catch_up():
            return self._keep(pending)
        try:
            self._write(pending.batch)
        except StoreError as error:
            self._failed(error)
            return self._keep(pending)
        self._let_go(pending)
        return True

    def _keep(self, pending: _Pending) -> bool:
        if not self._may_spool() or not self.spool.keep(pending.batch):
            return False
        self._let_go(pending)
        return True

    def _let_go(self, pending: _Pending) -> None:
        self._pending = None
        self._budget.release(pending.cost)
        self._close_done(pending.pipelines)

    def _count(self, result: WriteResult, seconds: float) -> None:
        counters = self.counters
        if counters.consecutive_failures:
            logger.warning("the database takes writes again after %d failures", counters.consecutive_failures)
        counters.consecutive_failures, self._retry_at, self._logged_at = 0, 0.0, -_LOG_INTERVAL_S
        self._away_since = None
        counters.batches += 1
        counters.traces += result.traces
        counters.events += result.events
        counters.failed_events += result.failed
        counters.orphaned_events += result.orphaned_events
        counters.last_problem = result.problems[-1] if result.problems else counters.last_problem
        counters.last_flush_at = time.time()
        counters.flush_ms.append(seconds * 1000)

    def _failed(self, error: StoreError) -> None:
        counters = self.counters
        counters.failed_batches += 1
        counters.consecutive_failures += 1
        counters.last_problem = str(error)
        now = time.monotonic()
        self._away_since = self._away_since or now
        self._retry_at = now + min(0.1 * 2 ** min(counters.consecutive_failures, 10), _MOST_PAUSE_S)
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            logger.error("recordings wait in memory, the database cannot be written: %s", error)

    def _close_done(self, pipelines: list[TracePipeline]) -> None:
        for pipeline in pipelines:
            if pipeline.wants_sealing:
                self._to_seal.append(pipeline.trace.trace_id)
                pipeline.sealed()
            if pipeline.done:
                self._pipelines.pop(pipeline.trace.trace_id, None)
                self._plugins.trace_finished(pipeline.info)

    def _seal(self) -> bool:
        while self._to_seal:
            if self._stopping and time.monotonic() > self._give_up_at - _LAST_CALL_S:
                return False
            try:
                self._sink.seal(self._to_seal[0])
            except StoreError as error:
                self._failed(error)
                return False
            except ValueError as error:
                self.on_fault("sealing", error)
            self._to_seal.popleft()
        return True

    def _end_open_traces(self) -> None:
        """The recorder stops: streams that are still open end here, as far as their record goes."""
        self._adopt()
        for pipeline in self._pipelines.values():
            trace = pipeline.trace
            if not trace.finished:
                trace.finalize(EndReason.PROCESS_DIED, detail="the process stopped while the answer was being written")
            trace.close()


def _log_fault(place: str, error: BaseException) -> None:
    logger.error("recording failed in the %s", place, exc_info=error)
