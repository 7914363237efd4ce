"""How small recordings are on disk, how quickly they are read, and how memory grows."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time_ns

from benchmarks.capture import _ON, recorder
from benchmarks.measure import Rounds, Sample, Spread
from benchmarks.report import Figure, show
from benchmarks.streams import chat_frames, receive_body, scope, send_nowhere, streaming_app
from tracekit import Recorder, TraceMiddleware


def _record(made: Recorder, frames: list[bytes], requests: int = 1) -> None:
    app = TraceMiddleware(streaming_app(frames), made)

    async def serve() -> None:
        for _ in range(requests):
            await app(scope(), receive_body, send_nowhere)

    asyncio.run(serve())
    made.flush(120)


def disk(folder: Path) -> list[Figure]:
    """Bytes of the whole database file for each byte on the wire."""
    made = recorder(folder, "disk", off="", settings=_ON)
    before = made.database.size_bytes()
    frames = chat_frames(400)
    _record(made, frames, 200)
    path = made.database.path()
    made.shutdown()
    assert path is not None
    ratio = (os.path.getsize(path) - before) / (200 * sum(map(len, frames)))
    figures = [Figure("bytes on disk for each byte sent, sealed", "×", Spread.of([ratio]), 0.15)]
    show("Size: 200 OpenAI Chat answers of 400 frames", figures)
    return figures


def reads(folder: Path, rounds: int) -> list[Figure]:
    """A page of 100 events after any number, in a trace of 10,000."""
    made = recorder(folder, "reads", off="", settings=_ON)
    _record(made, chat_frames(10_000))
    trace = made.store.list_traces().items[0]
    chance = random.Random(7)

    def page() -> Sample:
        began = perf_counter()
        for _ in range(20):
            made.store.events(trace.trace_id, since_seq=chance.randrange(trace.last_seq - 100), limit=100)
        return {"ms": (perf_counter() - began) * 1000 / 20}

    def newest() -> Sample:
        began = perf_counter()
        for _ in range(20):
            made.store.list_traces()
        return {"ms": (perf_counter() - began) * 1000 / 20}

    taken = Rounds({"page": page, "newest": newest}, rounds)
    made.shutdown()
    figures = [
        Figure("100 events after any number, trace of 10,000", "ms", taken.spread("page", "ms"), 0.5),
        Figure("newest 50 traces", "ms", taken.spread("newest", "ms")),
    ]
    show("Reads", figures)
    return figures


def length(folder: Path, rounds: int) -> list[Figure]:
    """A long answer must cost per frame what a short one does."""
    made = recorder(folder, "length", off="", settings=_ON)
    variants = {}
    for name, frames, requests in (("short", chat_frames(500), 40), ("long", chat_frames(40_000), 1)):

        def run(frames: list[bytes] = frames, requests: int = requests) -> Sample:
            began = process_time_ns()
            _record(made, frames, requests)
            return {"all": (process_time_ns() - began) / (len(frames) * requests * 1000)}

        variants[name] = run
    taken = Rounds(variants, rounds)
    made.shutdown()
    figures = [Figure("40,000 frames in one answer, to 80 of 500", "×", taken.ratio("long", "short", "all"), 1.2)]
    show("Length: CPU time per frame, all threads", figures)
    return figures


_STREAMS = """
import asyncio, json, resource, sys
from benchmarks.capture import _ON, recorder
from benchmarks.streams import chat_frames, receive_body, scope, send_nowhere
from pathlib import Path
from tracekit import TraceMiddleware

FRAMES = chat_frames(30)

async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for frame in FRAMES:
        await send({"type": "http.response.body", "body": frame, "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b"", "more_body": False})

async def main(serve):
    await asyncio.gather(*(serve(scope(), receive_body, send_nowhere) for _ in range(1000)))

made = recorder(Path(sys.argv[1]), "streams", off="", settings=_ON)
serve = TraceMiddleware(app, made) if sys.argv[2] == "on" else app
asyncio.run(main(serve))
made.flush(60)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
made.shutdown()
"""


def memory(folder: Path) -> list[Figure]:
    """Most memory of a process that serves 1,000 streams at once, recorded and not. Both have a recorder."""
    peaks = {}
    for kind in ("off", "on"):
        place = folder / f"memory-{kind}"
        place.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _STREAMS, str(place), kind],
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        peaks[kind] = float(json.loads(done.stdout))
    figures = [Figure("1,000 streams at once, above bare", "MiB", Spread.of([peaks["on"] - peaks["off"]]), 64)]
    show(f"Memory: peak {peaks['off']:.0f} MiB bare, {peaks['on']:.0f} MiB recorded", figures)
    return figures
