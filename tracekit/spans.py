"""What an app says of its steps: `span` around the work, or on the function that does it.

A span is told by events of its trace: that it began, that it beats, how it ended. Its row in `task_trace_spans` is
made of them on the writer thread, which also beats its heart while it is open.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from tracekit.context import current_trace
from tracekit.outline import outline
from tracekit.span_context import OpenSpan, enter_span, open_span
from tracekit.spanned_functions import spanned
from tracekit.trace import TaskTraceRecorder
from tracekit.types import FINAL_STATUSES, EventType, SpanStatus

__all__ = ["Span", "span"]

_F = TypeVar("_F", bound=Callable[..., Any])

_STARTED, _HEARTBEAT, _FINISHED, _ARTIFACT = (
    EventType.SPAN_STARTED.value,
    EventType.SPAN_HEARTBEAT.value,
    EventType.SPAN_FINISHED.value,
    EventType.ARTIFACT_ADDED.value,
)

_MOST_NAME, _MOST_WORD, _MOST_URI = 256, 64, 2048


class Span:
    """One step. Use it with `with` or `async with`, or call `start` and `end` where a block does not fit.

    Where nothing is recorded every method does nothing. A second start or end is ignored, and so is what is said
    after the end.
    """

    __slots__ = (
        "_began_ns", "_trace", "ended", "kind", "layer", "outer", "parent_span_id", "span_id", "step_name", "trace_id",
    )  # fmt: skip

    def __init__(self, step_name: str, *, layer: str | None = None, kind: str | None = None) -> None:
        self.step_name = step_name
        self.layer = layer
        self.kind = kind
        self.span_id = ""
        """16 hexadecimal digits, as W3C trace context has them; empty until it starts."""
        self.parent_span_id: str | None = None
        self.trace_id: str | None = None
        self.outer: OpenSpan | None = None
        self.ended = False
        self._trace: TaskTraceRecorder | None = None
        self._began_ns = 0

    # Its life

    def start(self, *, input: Any = None) -> Span:
        """Begin. Spans that start in here, also in tasks and threads, become its children."""
        trace = current_trace()
        if self.span_id or self.ended or not isinstance(trace, TaskTraceRecorder):
            return self
        self._trace, self.trace_id = trace, trace.trace_id
        parent = open_span(trace.trace_id)
        self.span_id = os.urandom(8).hex()
        facts: dict[str, Any] = {"step_name": self.step_name}
        if self.layer is not None:
            facts["layer"] = self.layer
        if self.kind is not None:
            facts["kind"] = self.kind
        if parent is not None:
            facts["parent_span_id"] = self.parent_span_id = parent.span_id
        if input is not None:
            facts["input"] = outline(input)
        enter_span(self)
        self._began_ns = time.monotonic_ns()
        trace.append_event(_STARTED, facts, span_id=self.span_id)
        return self

    def end(self, error: BaseException | None = None, *, status: str | None = None) -> None:
        """End well, or with the error that ended it. `status` names another ending: `failed` or `canceled`.

        Raises:
            ValueError: `status` is none that ends a span.
        """
        ending = _status_of(error) if status is None else _final(status)
        trace, self._trace = self._trace, None
        if self.ended or trace is None:
            return
        self.ended = True
        if trace.closed:
            return
        facts: dict[str, Any] = {
            "status": ending,
            "duration_us": (time.monotonic_ns() - self._began_ns) // 1000,
        }
        if error is not None and not isinstance(error, GeneratorExit):
            facts |= trace.explain(error)
        trace.append_event(_FINISHED, facts, span_id=self.span_id)

    # What it says meanwhile

    def set_input(self, value: Any) -> None:
        """What the step works on; an outline of it is recorded."""
        self._say(_HEARTBEAT, "input", value)

    def set_output(self, value: Any) -> None:
        """What the step gave; an outline of it is recorded."""
        self._say(_HEARTBEAT, "output", value)

    def set_status(self, status: str, *, reason: str | None = None) -> None:
        """Say that the step is `queued`, `running`, `blocked` or `retrying`, and why: in words, or a reason code.

        Raises:
            ValueError: there is no such status, or it is one that ends a span.
        """
        if SpanStatus(status) in FINAL_STATUSES:
            raise ValueError(f"{status}: end the span instead")
        trace = self._trace
        if trace is not None and not trace.closed:
            facts = {"status": str(status)} | ({} if reason is None else {"reason": str(reason)[:_MOST_URI]})
            trace.append_event(_HEARTBEAT, facts, span_id=self.span_id)

    def heartbeat(self, **progress: Any) -> None:
        """Say that the work moves on, and how far it is."""
        self._say(_HEARTBEAT, "progress", progress)

    def add_artifact(self, name: str, uri_or_path: str | os.PathLike[str]) -> None:
        """Point at something that the step made. Of a file that can be read, size, media type and SHA-256 are
        recorded; its content is not."""
        trace = self._trace
        if trace is not None and not trace.closed:
            facts = {"name": str(name)[:_MOST_NAME], "uri": _uri(uri_or_path)}
            trace.append_event(_ARTIFACT, facts, span_id=self.span_id)

    def _say(self, event_type: str, name: str, value: Any) -> None:
        trace = self._trace
        if trace is not None and not trace.closed:
            trace.append_event(event_type, {name: outline(value)}, span_id=self.span_id)

    # As a block, and on a function

    def __enter__(self) -> Span:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    async def __aenter__(self) -> Span:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    def __call__(self, function: _F) -> _F:
        """Record each call of a function, coroutine function or generator as a span of its own."""
        return spanned(function, self._again)

    def _again(self) -> Span:
        return Span(self.step_name, layer=self.layer, kind=self.kind)


def span(step_name: str, *, layer: str | None = None, kind: str | None = None) -> Span:
    """A step of the running trace: `with span("fetch", layer="L2_executor") as step:`, `async with`, or as a
    decorator. `layer` and `kind` are the app's own words."""
    return Span(str(step_name)[:_MOST_NAME], layer=_word(layer), kind=_word(kind))


def _word(text: str | None) -> str | None:
    return None if text is None else str(text)[:_MOST_WORD]


def _uri(uri_or_path: str | os.PathLike[str]) -> str:
    """Of a path with bytes that are no text, `os.fsdecode` gives what `open` takes again."""
    plain = os.fsdecode(uri_or_path) if isinstance(uri_or_path, str | bytes | os.PathLike) else str(uri_or_path)
    return plain[:_MOST_URI]


def _final(status: str) -> str:
    if SpanStatus(status) not in FINAL_STATUSES:
        raise ValueError(f"{status}: does not end a span")
    return SpanStatus(status).value


def _status_of(error: BaseException | None) -> str:
    if error is None:
        return SpanStatus.SUCCESS.value
    # Cancellation and the closing of a generator are no faults of the step; they are no subclasses of Exception.
    return SpanStatus.FAILED.value if isinstance(error, Exception) else SpanStatus.CANCELED.value
