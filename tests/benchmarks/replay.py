"""How exactly a replay keeps the times of its recording, as a client over a real socket sees it."""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

from chunk_reader import Response, ask
from timed_traces import At, write_timed_trace

from benchmarks.measure import Spread
from benchmarks.report import Figure, show
from benchmarks.streams import chat_frames
from tracekit.store import Database
from tracekit.store.schema import upgrade

_SECONDS = 10.0
_MEAN_PAUSE = 0.02

# Frames of the recording that is replayed as fast as possible.
_MANY = 20_000


def run(folder: Path, rounds: int) -> list[Figure]:
    """Measure, print and return the figures. A round takes ten seconds."""
    url = f"sqlite:///{folder / 'replay.db'}"
    database = Database(url)
    upgrade(database)
    times = [*_times(random.Random(7))]
    timed = _written(database, times)
    many = _written(database, [0.0] * _MANY)
    database.close()
    with _replaying(url, timed, "1") as port:
        errors = [_errors(ask(port), times) for _ in range(rounds)]
    with _replaying(url, many, "0") as port:
        rates = [_rate(port) for _ in range(rounds)]
    figures = [
        Figure("median error of a message", "ms", Spread.of([statistics.median(error) for error in errors])),
        Figure("95th percentile", "ms", Spread.of([_percentile(error, 95) for error in errors]), 5.0),
        Figure("latest message", "ms", Spread.of([max(error) for error in errors])),
        Figure("a message without pauses", "µs", Spread.of(rates)),
    ]
    show(f"Replay of {len(times)} messages over {_SECONDS:.0f} s, against the times of the recording", figures)
    return figures


def _times(chance: random.Random) -> Iterator[float]:
    """Seconds of each message: uneven, in clusters, as a model writes."""
    at = 0.1
    while at < _SECONDS:
        yield at
        at += chance.expovariate(1 / _MEAN_PAUSE)


def _written(database: Database, times: list[float]) -> str:
    frames = chat_frames(len(times))
    timeline = [At(at, frame) for at, frame in zip(times, frames, strict=True)]
    return write_timed_trace(database, timeline, http_status=200, content_type="text/event-stream")


@contextmanager
def _replaying(url: str, trace_id: str, speed: str) -> Iterator[int]:
    """`tracekit replay` in a process of its own; gives its port."""
    command = [sys.executable, "-m", "tracekit", "replay", trace_id, "--port", "0", "--speed", speed]
    environment = {**os.environ, "TRACEKIT_DATABASE_URL": url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)", process.stdout.readline().partition("//")[2])
            assert found is not None
            # The socket listens before the server runs; its start is none of the replay's time.
            with closing(HTTPConnection("127.0.0.1", int(found[1]))) as connection:
                connection.request("HEAD", "/")
                connection.getresponse()
            yield int(found[1])
        finally:
            process.kill()


def _errors(response: Response, times: list[float]) -> list[float]:
    """Milliseconds between when each message came and when it should have."""
    assert response.whole
    return [abs(came - due) * 1000 for came, due in zip(response.times, times, strict=True)]


def _rate(port: int) -> float:
    began = perf_counter()
    assert len(ask(port).chunks) == _MANY
    return (perf_counter() - began) * 1_000_000 / _MANY


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
