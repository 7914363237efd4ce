"""Traces of what is no HTTP request: nightly jobs, workers, scripts."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from tracekit.context import enter, outer_trace
from tracekit.trace import NO_TRACE, NullTrace, TaskTraceRecorder
from tracekit.types import EndReason

__all__ = ["Run"]


class Run:
    """One run: `with recorder.trace("import") as trace:`, or `async with`. Ends as the block ends.

    Where the settings do not let it be recorded, the block gets an object that takes everything and keeps nothing.
    """

    def __init__(
        self,
        open_trace: Callable[[TaskTraceRecorder | None], TaskTraceRecorder | None],
        note_fault: Callable[[str, Exception], None],
    ) -> None:
        """`open_trace` makes the trace inside another, or None where it is not recorded. `note_fault` counts what
        fails in recording; the block goes on."""
        self._open_trace = open_trace
        self._note_fault = note_fault
        self._trace: TaskTraceRecorder | None = None

    def __enter__(self) -> TaskTraceRecorder | NullTrace:
        try:
            self._trace = self._open_trace(outer_trace())
        except Exception as fault:  # noqa: BLE001 - recording never reaches the work
            self._note_fault("trace", fault)
        if self._trace is None:
            return NO_TRACE
        enter(self._trace)
        return self._trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        trace, self._trace = self._trace, None
        if trace is None:
            return
        try:
            _end(trace, error)
        except Exception as fault:  # noqa: BLE001 - recording never reaches the work
            self._note_fault("trace", fault)

    async def __aenter__(self) -> TaskTraceRecorder | NullTrace:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def _end(trace: TaskTraceRecorder, error: BaseException | None) -> None:
    reason = _reason(error)
    if error is not None and reason is EndReason.APP_ERROR:
        trace.append_error(error)
    trace.finalize(reason)
    trace.close()


def _reason(error: BaseException | None) -> EndReason:
    """A script that leaves by `sys.exit()` has done its work; by `sys.exit(1)` it says that it failed."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return EndReason.COMPLETED
    return EndReason.APP_ERROR if isinstance(error, Exception | SystemExit) else EndReason.SERVER_CANCELLED
