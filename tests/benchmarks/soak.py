"""`python -m benchmarks.soak`: many paced streams for many minutes on two workers, with recording on and off in turn.

Ends with the account: frames that the app sent = frames that the clients received = frames stored + frames counted as
dropped. Exits 1 if it does not add up, if a stream failed, or if something was dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from chat_events import DONE
from serving import ServerProcess, serve_in_process
from sqlalchemy import func, select

from benchmarks.measure import Spread
from benchmarks.report import Figure, show
from tracekit.models import TaskTrace
from tracekit.store import Database

_TRACES = TaskTrace.metadata.tables[TaskTrace.__tablename__]
_FRAME = b"data: "
_LAST_FRAMES = DONE.count(_FRAME)
# What a model takes before it says anything. Against an app that answers at once, anything is many times as much.
_THINKS_MS = 300
_PHASES = ("off", "on") * 3
_ON = {
    "TASK_TRACE_ENABLED": "true",
    "TASK_TRACE_DEFAULT_ON": "true",
    "TASK_TRACE_ADMIN_ONLY": "false",
}


@dataclass
class Seen:
    """What the clients of one phase saw. Times in milliseconds."""

    streams: int = 0
    frames: int = 0
    failed: int = 0
    first_frame: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)


async def _read_stream(port: int, frames: int, pace_ms: int, seen: Seen) -> None:
    """One stream, read to its end."""
    asked = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /stream/{frames}/{pace_ms}/{_THINKS_MS} HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n".encode()
    )
    count, rest, last = 0, b"", 0.0
    while piece := await reader.read(65536):
        now = time.perf_counter()
        rest += piece
        came = rest.count(_FRAME)
        if came:
            waited = seen.gaps if count else seen.first_frame
            waited.append((now - (last or asked)) * 1000)
            count, last = count + came, now
        # A mark may be cut between two pieces; a whole one is counted once.
        rest = rest[rest.rfind(_FRAME) + len(_FRAME) :][-len(_FRAME) :] if came else rest[-len(_FRAME) :]
    writer.close()
    seen.streams += 1
    seen.frames += count
    seen.failed += count != frames + _LAST_FRAMES


async def _client(port: int, until: float, options: argparse.Namespace, seen: Seen) -> None:
    """One stream after the other."""
    while time.monotonic() < until:
        try:
            await _read_stream(port, options.frames, options.pace_ms, seen)
        except OSError:
            seen.failed += 1


async def _phase(port: int, seconds: float, options: argparse.Namespace) -> Seen:
    seen, until = Seen(), time.monotonic() + seconds
    clients = []
    for _ in range(options.streams):
        clients.append(asyncio.create_task(_client(port, until, options, seen)))
        # They do not come all in one moment, nor do they send their frames so.
        await asyncio.sleep(options.pace_ms / 1000 / options.streams)
    await asyncio.gather(*clients)
    return seen


def _memory_mib(server: ServerProcess) -> float:
    """What the workers of a server hold."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid:
                pages += int((process / "statm").read_text().split()[1])
        except (OSError, ValueError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _stored(url: str) -> tuple[int, int, int]:
    """Frames seen, and events and traces that are wanting, once no trace runs."""
    database = Database(url)
    columns = (_TRACES.c.frames, _TRACES.c.events_dropped, _TRACES.c.payloads_cut)
    running = select(func.count()).where(_TRACES.c.status == "running")
    for _ in range(300):
        with database.reading() as connection:
            if not connection.execute(running).scalar():
                break
        time.sleep(0.1)
    with database.reading() as connection:
        frames, dropped, cut = connection.execute(select(*(func.sum(column) for column in columns))).one()
    database.close()
    return int(frames or 0), int(dropped or 0), int(cut or 0)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _figures(seen: dict[str, list[Seen]]) -> list[Figure]:
    figures = []
    for name, pick in (("first frame", lambda one: one.first_frame), ("gap between frames", lambda one: one.gaps)):
        for share in (0.5, 0.99):
            values = {mode: [_quantile(pick(one), share) for one in ones] for mode, ones in seen.items()}
            title = f"{name}, p{share * 100:g}"
            figures += [Figure(f"{title}, {mode}", "ms", Spread.of(values[mode])) for mode in ("off", "on")]
            ratios = [on / off for on, off in zip(values["on"], values["off"], strict=True)]
            figures.append(Figure(f"{title}, on to off", "×", Spread.of(ratios), 1.05))
    return figures


def main() -> int:
    """Run it, and print the account."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="in all (default 15)")
    parser.add_argument("--streams", type=int, default=500, help="at once (default 500)")
    parser.add_argument("--frames", type=int, default=100, help="of one stream (default 100)")
    parser.add_argument("--pace-ms", type=int, default=200, help="between two frames of a stream (default 200)")
    parser.add_argument("--workers", type=int, default=2, help="of the server (default 2)")
    options = parser.parse_args()
    seconds = options.minutes * 60 / len(_PHASES)
    seen: dict[str, list[Seen]] = {"off": [], "on": []}
    memory: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracekit-soak-")))
        url = f"sqlite:///{folder / 'soak.db'}"
        settings = {
            "off": {"TRACEKIT_DATABASE_URL": f"sqlite:///{folder / 'off.db'}"},
            "on": {"TRACEKIT_DATABASE_URL": url, **_ON},
        }
        servers = {
            mode: stack.enter_context(
                serve_in_process("live_app:chat", "--workers", str(options.workers), "--no-access-log", **environment)
            )
            for mode, environment in settings.items()
        }
        time.sleep(5)
        for mode in _PHASES:
            seen[mode].append(asyncio.run(_phase(servers[mode].port, seconds, options)))
            if mode == "on":
                memory.append(_memory_mib(servers["on"]))
        stored, dropped, cut = _stored(url)
        for server in servers.values():
            server.end(signal.SIGTERM)
    return _account(options, seen, memory, (stored, dropped, cut))


def _account(
    options: argparse.Namespace, seen: dict[str, list[Seen]], memory: list[float], stored: tuple[int, int, int]
) -> int:
    show(f"{options.streams} streams at once on {options.workers} workers, {options.minutes:g} minutes", _figures(seen))
    print(f"\n  memory of the workers after each part with recording: {', '.join(f'{mib:.0f} MiB' for mib in memory)}")
    streams = sum(one.streams for one in seen["on"])
    sent = streams * (options.frames + _LAST_FRAMES)
    received = sum(one.frames for one in seen["on"])
    failed = sum(one.failed for ones in seen.values() for one in ones)
    frames, dropped, cut = stored
    print(f"\n  streams {streams:,}, failed {failed}")
    print(
        f"  frames sent {sent:,} = received {received:,} = stored {frames - dropped:,} + dropped {dropped}; cut {cut}"
    )
    median = statistics.median(len(one.gaps) for one in seen["on"])
    print(f"  each part is of {median:,.0f} gaps")
    return int(bool(failed or dropped or cut) or not sent == received == frames)


if __name__ == "__main__":
    sys.exit(main())
