"""What a span costs the event loop, and all threads together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time_ns, thread_time_ns

import tracekit
from benchmarks.capture import recorder
from benchmarks.measure import Rounds, Sample
from benchmarks.report import Figure, show
from tracekit import Recorder

_SPANS = 2000
_ON = {"task_trace_enabled": True, "task_trace_max_events": 1_000_000}


class _Block:
    """A block that does nothing: the floor."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def _empty() -> None:
    for _ in range(_SPANS):
        with _Block():
            pass


def _spans() -> None:
    for _ in range(_SPANS):
        with tracekit.span("fetch", layer="L2_executor"):
            pass


def _nested() -> None:
    for _ in range(_SPANS // 4):
        with tracekit.span("plan"), tracekit.span("step"), tracekit.span("fetch"), tracekit.span("parse"):
            pass


def _failing() -> None:
    error = TimeoutError("the model does not answer")
    for _ in range(_SPANS):
        span = tracekit.span("fetch", layer="L2_executor").start()
        span.end(error)


def _run(made: Recorder, work: Callable[[], None]) -> Callable[[], Sample]:
    def run() -> Sample:
        total = process_time_ns()
        with made.trace("benchmark"):
            here = thread_time_ns()
            work()
            here = thread_time_ns() - here
        made.flush(60)
        return {"loop": here / _SPANS / 1000, "all": (process_time_ns() - total) / _SPANS / 1000}

    return run


def run(folder: Path, rounds: int) -> list[Figure]:
    """Measure, print and return the figures."""
    on = recorder(folder, "spans", off="", settings=_ON)
    off = recorder(folder, "spans-off", off="", settings={"task_trace_enabled": False})
    works = {"empty": _empty, "one": _spans, "nested": _nested, "failing": _failing}
    variants = {name: _run(on, work) for name, work in works.items()} | {"off": _run(off, _spans)}
    taken = Rounds(variants, rounds)
    on.shutdown()
    off.shutdown()
    figures = [
        Figure("floor: a block that does nothing", "µs", taken.spread("empty", "loop")),
        Figure("start and end of a span, loop", "µs", taken.above("one", "empty", "loop"), 10.0),
        Figure("… of four in one another, each", "µs", taken.above("nested", "empty", "loop"), 10.0),
        Figure("… with an error that is classified", "µs", taken.above("failing", "empty", "loop")),
        Figure("start and end, all threads", "µs", taken.above("one", "empty", "all")),
        Figure("start and end where nothing is recorded", "µs", taken.above("off", "empty", "loop")),
    ]
    show("Spans, CPU time", figures)
    return figures
