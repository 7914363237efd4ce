"""What recording costs the event loop, and all threads together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns, process_time_ns, thread_time_ns

from benchmarks.measure import Rounds, Sample
from benchmarks.report import Figure, show
from benchmarks.streams import appending, chat_frames, passing_through, receive_body, scope, send_nowhere, streaming_app
from tracekit import Recorder, TraceMiddleware
from tracekit.types import ASGIApp

_ON = {
    "task_trace_enabled": True,
    "task_trace_default_on": True,
    "task_trace_admin_only": False,
    "task_trace_max_events": 1_000_000,
}
# What an append in memory took, in µs per frame, on the machine for which the budgets are stated.
_FLOOR = 0.26

DECODERS = "ag_ui,anthropic,cohere,gemini,generic,langchain,ollama,openai,vercel_ai"


def recorder(folder: Path, name: str, *, off: str, settings: dict[str, object]) -> Recorder:
    """A recorder on a SQLite file of its own, ready."""
    made = Recorder(f"sqlite:///{folder / name}.db", settings=settings, plugins_off=off, buffer_bytes=1 << 30)
    asyncio.run(made.started())
    return made


def _run(app: ASGIApp, requests: int, frames: int, settle: Callable[[], object] | None = None) -> Callable[[], Sample]:
    async def serve() -> None:
        for _ in range(requests):
            await app(scope(), receive_body, send_nowhere)

    def run() -> Sample:
        total, here = process_time_ns(), thread_time_ns()
        asyncio.run(serve())
        here = thread_time_ns() - here
        if settle is not None:
            settle()
        total = process_time_ns() - total
        per = requests * frames * 1000
        return {"loop": here / per, "all": total / per, "request": here / requests / 1000}

    return run


def run(folder: Path, rounds: int) -> list[Figure]:
    """Measure, print and return the figures."""
    frames, requests = 500, 40
    app = streaming_app(chat_frames(frames))
    packed = recorder(folder, "packed", off=f"{DECODERS},redact,chat_request", settings=_ON)
    read = recorder(folder, "read", off="", settings=_ON)
    off = recorder(folder, "off", off="", settings={"task_trace_enabled": False})
    variants = {
        "bare": _run(app, requests, frames),
        "bare again": _run(app, requests, frames),
        "pass-through": _run(passing_through(app), requests, frames),
        "append": _run(appending(app, monotonic_ns), requests, frames),
        "packed": _run(TraceMiddleware(app, packed), requests, frames, lambda: packed.flush(120)),
        "read": _run(TraceMiddleware(app, read), requests, frames, lambda: read.flush(120)),
        "off": _run(TraceMiddleware(app, off), requests, frames),
    }
    taken = Rounds(variants, rounds)
    for made in (packed, read, off):
        made.shutdown()
    figures = [
        Figure("noise: bare above bare, loop", "µs/frame", taken.above("bare again", "bare", "loop")),
        Figure("floor: pass-through wrapper, loop", "µs/frame", taken.above("pass-through", "bare", "loop")),
        Figure("floor: append in memory, loop", "µs/frame", taken.above("append", "bare", "loop")),
        Figure("recording, loop", "µs/frame", taken.above("packed", "bare", "loop"), 0.8),
        Figure("recording with decoder and redaction, loop", "µs/frame", taken.above("read", "bare", "loop"), 0.8),
        Figure("recording, all threads", "µs/frame", taken.above("packed", "bare", "all"), 2.5),
        Figure("… decoded, redacted, stored, all threads", "µs/frame", taken.above("read", "bare", "all"), 6.0),
        Figure("recording off", "µs/frame", taken.above("off", "bare", "loop"), 0.1),
        Figure("recording off, a request of 500 frames", "µs", taken.above("off", "bare", "request"), 55.0),
    ]
    show(f"Per frame of {len(chat_frames(3)[0])} bytes, above the bare app, CPU time", figures)
    ratios = [
        Figure("recording, loop, to append in memory", "×", taken.ratio("packed", "append", "loop")),
        Figure("recording, all threads, to append in memory", "×", taken.ratio("packed", "append", "all")),
    ]
    show("Ratios of whole runs", ratios)
    floors = [
        Figure("recording, loop", "floors", taken.floors("packed", "append", "bare", "loop"), 0.8 / _FLOOR),
        Figure("recording, all threads", "floors", taken.floors("packed", "append", "bare", "all"), 2.5 / _FLOOR),
        Figure("… decoded, redacted, stored", "floors", taken.floors("read", "append", "bare", "all"), 6.0 / _FLOOR),
    ]
    show("The same as multiples of an append in memory in the same round, so whatever the speed of the machine", floors)
    return [*figures, *floors]
