"""The span that is open in the running code, for spans inside it and events logged in it."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Protocol

__all__ = ["OpenSpan", "Place", "enter_span", "open_span"]


class OpenSpan(Protocol):
    """A span, as much as others need to know of it."""

    span_id: str
    trace_id: str | None
    ended: bool
    outer: OpenSpan | None
    """The span that was open where it began, of whichever trace."""


_current: ContextVar[OpenSpan | None] = ContextVar("tracekit_span", default=None)


def open_span(trace_id: str | None) -> OpenSpan | None:
    """The innermost span of a trace that is open here.

    Tasks and threads that were started inside a span are inside it as long as it is open. What is current is never
    taken back, since a block may be left in another context; a span that has ended stands for the one around it.
    """
    span = _innermost()
    while span is not None and span.trace_id != trace_id:
        span.outer = _not_ended(span.outer)
        span = span.outer
    return span


def enter_span(span: OpenSpan) -> None:
    """Make `span` the innermost of this context."""
    outer = _innermost()
    if outer is not None:
        # Spans that overlap would otherwise hold on to one another without end.
        outer.outer = _not_ended(outer.outer)
    span.outer = outer
    _current.set(span)


def _innermost() -> OpenSpan | None:
    current = _current.get()
    span = _not_ended(current)
    if span is not current:
        # Those that have ended are passed over once, and forgotten.
        _current.set(span)
    return span


def _not_ended(span: OpenSpan | None) -> OpenSpan | None:
    while span is not None and span.ended:
        span = span.outer
    return span


class Place:
    """Where a generator is: `with place:` around each of its steps runs it inside the spans it has opened, and gives
    its caller's back when it waits to be asked for more."""

    __slots__ = ("_inside", "_outside")

    def __init__(self) -> None:
        self._inside = _current.get()
        self._outside: OpenSpan | None = None

    def __enter__(self) -> None:
        self._outside = _current.get()
        _current.set(self._inside)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside = _current.get()
        _current.set(self._outside)
