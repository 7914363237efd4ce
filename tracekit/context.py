"""The trace of the running request, for code that was not handed it."""

from __future__ import annotations

import logging
from contextvars import ContextVar

from tracekit.trace import NO_TRACE, NullTrace, TaskTraceRecorder

__all__ = ["TraceIdFilter", "current_trace", "enter", "outer_trace"]

_current: ContextVar[TaskTraceRecorder | None] = ContextVar("tracekit_trace", default=None)


def current_trace() -> TaskTraceRecorder | NullTrace:
    """The trace of the running request, in the endpoint, its generators, its threads and its background tasks.

    Where nothing is recorded it is an object that takes everything and keeps nothing. The same handle stands in the
    ASGI scope under `tracekit.trace`, for code that runs outside the request's context.
    """
    trace = _current.get()
    while trace is not None and (trace.closed or _declined(trace)):
        trace = trace.outer
    return trace if trace is not None else NO_TRACE


def enter(trace: TaskTraceRecorder) -> None:
    """Make `trace` the current one of this context.

    It is never taken back: a reset needs the same context, and generators are closed in others. A trace that is
    closed stands for the one around it instead.
    """
    _current.set(trace)


def outer_trace() -> TaskTraceRecorder | None:
    """The trace that is current before another is entered."""
    trace = current_trace()
    return trace if isinstance(trace, TaskTraceRecorder) else None


def _declined(trace: TaskTraceRecorder) -> bool:
    return trace.decision is not None and not trace.decision.record


class TraceIdFilter(logging.Filter):
    """Gives every log record `trace_id`: that of the running request, or "-"."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.trace_id`; lets every record through."""
        record.trace_id = current_trace().trace_id or "-"
        return True
