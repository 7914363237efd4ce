"""The writer: one thread of a process that turns what was captured into rows and writes them in batches.

Frames leave memory only after the commit that holds them, or when they are in the spool. While the database cannot be
written, the batch that failed waits and is tried again, and what is captured meanwhile waits in the traces' buffers,
within the budget; after some seconds, or when memory runs short, all of it goes to the spool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tracekit.budget import Budget
from tracekit.config import SystemSettings
from tracekit.errors import StoreError
from tracekit.open_traces import OpenTraces, Pending
from tracekit.outage import Outage
from tracekit.spool import Spool
from tracekit.store.batch import Batch
from tracekit.store.writes import WriteResult
from tracekit.trace import TaskTraceRecorder
from tracekit.write_counters import WriterCounters

__all__ = ["Sink", "Writer"]

_LAST_PAUSE_S = 0.02
# Seconds that a database may be away before the spool takes what waits: most are locked, or restart, for less.
_PATIENCE_S = 5.0
# Seconds before the end of the time to stop in which the spool takes what could not be written.
_LAST_CALL_S = 1.0


@dataclass(frozen=True, slots=True)
class Sink:
    """Where batches go."""

    ready: Callable[[], bool]
    write: Callable[[Batch], WriteResult]
    """Raises StoreError when nothing can be written now."""
    seal: Callable[[str], None]
    """Merge the rows of a trace. Raises StoreError."""


class _Relieved(Exception):
    """The thread has nothing more to do: another has taken over."""


class Writer:
    """Writes the traces of a process from their registration to their last row."""

    def __init__(
        self,
        sink: Sink,
        budget: Budget,
        spool: Spool,
        traces: OpenTraces,
        *,
        settings: Callable[[], SystemSettings],
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self.counters = WriterCounters()
        self.spool = spool
        self._sink = sink
        self._budget = budget
        self._traces = traces
        self._settings = settings
        self._on_fault = on_fault
        self._outage = Outage(sink.ready, self.counters)
        self._pending: Pending | None = None
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
        self._traces.add(trace)
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
    def died(self) -> bool:
        """Whether the thread ran and ended without having been told to."""
        with self._turn:
            return self._thread is not None and not self.alive and not self._stopping

    @property
    def open_traces(self) -> int:
        """Traces that are not written to their end."""
        return self._traces.count

    @property
    def held(self) -> int:
        """Frames and events that wait in memory for what follows them."""
        return self._traces.held

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
            self._outage.retry_now()
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
        self._outage.retry_now()
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
        self._traces.end_all()
        self._traces.throw_away()
        while (pending := self._pending or self._traces.gather()) and self.spool.keep(pending.batch):
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
            self._traces.end_all()
        # A script that ends at once may be here before the database is ready, and before it is known what to record.
        while not self._go_round() and self._holds_anything and time.monotonic() < self._give_up_at:
            self._outage.retry_now()
            time.sleep(_LAST_PAUSE_S)
            with self._duty:
                self._traces.end_all()

    def _pause(self) -> float | None:
        """Seconds until the next round; None: until there is something to do."""
        if not self._holds_anything and not self._traces.to_seal and self.spool.is_empty:
            return None
        interval = self._settings().task_trace_flush_interval_ms / 1000
        return interval if self._may_spool() else max(interval, self._outage.next_try_s)

    @property
    def _holds_anything(self) -> bool:
        """Whether something waits in memory."""
        return bool(self._traces or self._pending)

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
            self._on_fault("writer", error)
            drained = False
        if drained:
            with self._turn:
                self._flush_done = asked
                self._turn.notify_all()
            if not self._traces.count:
                self._budget.settle()
        return drained

    def _write_all(self) -> bool:
        """Batches until nothing waits; False if something could not be written to the database."""
        self._outage.look()
        if self._outage.is_on and not self._may_spool():
            return False
        self._traces.throw_away()
        while True:
            self._traces.adopt()
            self._budget.rearm()
            self._pending = self._pending or self._traces.gather()
            if self._pending is None:
                return self._catch_up() and self._seal() and self._traces.are_known
            if not self._write_pending(self._pending):
                return False

    def _may_spool(self) -> bool:
        """Whether what waits goes to the spool: it is in use, or memory should not hold more, or not for longer."""
        if not self.spool.is_empty or self._budget.waiting > self._budget.limit // 2:
            return True
        return self._outage.lasted_s > _PATIENCE_S or self._is_last_call

    @property
    def _is_last_call(self) -> bool:
        return self._stopping and time.monotonic() > self._give_up_at - _LAST_CALL_S

    def _catch_up(self) -> bool:
        """Write what the spool holds, which comes first; whether it holds nothing any more."""
        if self.spool.is_empty:
            return True
        if self._outage.is_on:
            return False
        try:
            return self.spool.write_back(self._write)
        except StoreError as error:
            self._outage.failed(error)
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
        self._outage.worked()
        self.counters.count(result, time.perf_counter() - began)

    def _write_pending(self, pending: Pending) -> bool:
        """Whether a batch needs no more memory: it is written, or behind others in the spool."""
        if self._outage.is_on or not self._catch_up():
            return self._keep(pending)
        try:
            self._write(pending.batch)
        except StoreError as error:
            self._outage.failed(error)
            return self._keep(pending)
        self._let_go(pending)
        return True

    def _keep(self, pending: Pending) -> bool:
        if not self._may_spool() or not self.spool.keep(pending.batch):
            return False
        self._let_go(pending)
        return True

    def _let_go(self, pending: Pending) -> None:
        self._pending = None
        self._budget.release(pending.cost)
        self._traces.let_go(pending.pipelines)

    def _seal(self) -> bool:
        to_seal = self._traces.to_seal
        while to_seal:
            if self._is_last_call:
                return False
            try:
                self._sink.seal(to_seal[0])
            except StoreError as error:
                self._outage.failed(error)
                return False
            except ValueError as error:
                self._on_fault("sealing", error)
            to_seal.popleft()
        return True
