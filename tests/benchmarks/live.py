"""How soon a reader in another process sees an event, and what many readers cost the process that records.

Three processes: a chat that is recorded, an admin that reads the same database, and the readers.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
from event_streams import path_of_stream, streaming
from serving import environment_of_tests, serve_in_process

from benchmarks import databases
from benchmarks.measure import Rounds, Sample, Spread
from benchmarks.report import Figure, show

TOKEN = "the-admin-token-of-the-benchmark"
WATCHERS = 200

# Answers that are recorded while one more is watched, and how they are streamed: 100 frames, one each 20 ms.
_OTHERS = 40
_ANSWER = "/stream/100/20"

_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_RECORDING = {
    "TASK_TRACE_ENABLED": "true",
    "TASK_TRACE_DEFAULT_ON": "true",
    "TASK_TRACE_ADMIN_ONLY": "false",
    "TRACEKIT_ADMIN_TOKEN": TOKEN,
}


def run(folder: Path, rounds: int) -> list[Figure]:
    """Measure, print and return the figures."""
    figures: list[Figure] = []
    with databases.both(folder) as urls:
        for name, url in urls.items():
            environment = {"TRACEKIT_DATABASE_URL": url, **_RECORDING}
            with (
                serve_in_process("live_app:chat", **environment) as chat,
                serve_in_process("live_app:admin", **environment) as admin,
            ):
                figures += _visibility(name, chat.url, admin.url, rounds)
                figures.append(_watching(name, chat.url, admin.url, rounds))
        with serve_in_process("live_app:both", TRACEKIT_DATABASE_URL=urls["SQLite"], **_RECORDING) as both:
            figures.append(_serving(both.url, rounds))
    show(f"Live: from the moment an event is sent to its reader's hands; and {WATCHERS} readers of one trace", figures)
    return figures


# How soon


def _visibility(name: str, chat: str, admin: str, rounds: int) -> list[Figure]:
    """Three answers at once, each followed by one reader."""
    halves, tails = [], []
    for _ in range(rounds):
        with ThreadPoolExecutor(6) as pool:
            found = [pool.submit(_delays, admin, _ask(pool, chat, _ANSWER)) for _ in range(3)]
            delays = sorted(delay for future in found for delay in future.result())
        halves.append(statistics.median(delays))
        tails.append(delays[int(len(delays) * 0.99)])
    return [
        Figure(f"{name}: visible to another process, p50", "ms", Spread.of(halves)),
        Figure(f"{name}: visible to another process, p99", "ms", Spread.of(tails), 500),
    ]


def _ask(pool: ThreadPoolExecutor, chat: str, path: str) -> str:
    """Ask for an answer, which is read to its end in the pool; its trace."""
    client = httpx.Client(timeout=60)
    response = client.send(client.build_request("GET", chat + path), stream=True)
    pool.submit(_read_to_the_end, client, response)
    return response.headers["x-trace-id"]


def _read_to_the_end(client: httpx.Client, response: httpx.Response) -> None:
    with client:
        response.read()


def _delays(admin: str, trace_id: str) -> list[float]:
    """Milliseconds from the moment of each event to its arrival. Both clocks are this machine's."""
    delays = []
    with httpx.Client(base_url=admin, headers=_HEADERS, timeout=60) as client:
        _wait_until_known(client, trace_id)
        with streaming(client, path_of_stream(trace_id)) as stream:
            for message in stream:
                if message.event != "end":
                    happened = datetime.fromisoformat(message.data["timestamp"]).timestamp()
                    delays.append((time.time() - happened) * 1000)
    return delays


def _wait_until_known(client: httpx.Client, trace_id: str) -> None:
    while client.head(path_of_stream(trace_id)).status_code == 404:
        time.sleep(0.01)


# What many readers cost


def _watching(name: str, chat: str, admin: str, rounds: int) -> Figure:
    """CPU time of the process that records, while another serves its readers."""
    taken = Rounds(_variants(chat, admin), max(5, rounds))
    added = taken.ratio("watched", "alone", "cpu")
    percent = [(value - 1) * 100 for value in (added.median, added.least, added.most)]
    return Figure(f"{name}: CPU that {WATCHERS} readers add to recording", "%", Spread(*percent), 5)


def _serving(both: str, rounds: int) -> Figure:
    """The same where the process that records serves them too: what one reader takes of a core."""
    taken = Rounds(_variants(both, f"{both}/tracekit"), max(5, rounds // 2))
    spent = taken.above("watched", "alone", "per second")
    each = [value / WATCHERS for value in (spent.median, spent.least, spent.most)]
    return Figure("a reader served by the process that records", "ms/s", Spread(*each))


def _variants(chat: str, admin: str) -> dict[str, Callable[[], Sample]]:
    return {"alone": lambda: _load(chat, admin, 0), "watched": lambda: _load(chat, admin, WATCHERS)}


def _load(chat: str, admin: str, watchers: int) -> Sample:
    """CPU time of the process while it answers chats, the same work each time; one more trace runs and is watched."""
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", f"{chat}/stream/2000/20") as watched,
        _watched(admin, watched.headers["x-trace-id"], watchers),
    ):
        before, began = _cpu_seconds(client, chat), time.monotonic()
        with ThreadPoolExecutor(_OTHERS) as pool:
            for _ in range(_OTHERS):
                pool.submit(httpx.get, chat + _ANSWER, timeout=60)
        cpu, spent = _cpu_seconds(client, chat) - before, time.monotonic() - began
    return {"cpu": cpu, "per second": cpu * 1000 / spent}


def _cpu_seconds(client: httpx.Client, chat: str) -> float:
    return int(client.get(f"{chat}/cpu").text) / 1e9


@contextmanager
def _watched(admin: str, trace_id: str, count: int) -> Iterator[None]:
    """So many readers in a process of their own; each must have got something before the block runs."""
    with httpx.Client(base_url=admin, headers=_HEADERS, timeout=60) as client:
        _wait_until_known(client, trace_id)
        url = httpx.URL(str(client.base_url).rstrip("/") + path_of_stream(trace_id))
    if not count:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.watchers", url.host, str(url.port), url.path, TOKEN, str(count)]
    readers = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment_of_tests({}))
    assert readers.stdout is not None
    try:
        assert readers.stdout.readline() == b"%d\n" % count
        yield
    finally:
        readers.kill()
        readers.communicate()
