"""How long the console's pages take: the list over many traces, and one long trace in a browser."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from admin_server import BEARER, TOKEN, recording_into, serving
from browser.conftest import CHROMIUM
from trace_rows import frames, write_trace

from benchmarks.measure import Rounds, Sample, Spread
from benchmarks.report import Figure, show
from benchmarks.span_rows import WEEK_US, insert, trace_row
from tracekit import Recorder
from tracekit.models import TaskTrace
from tracekit_admin import Admin

_AT_ONCE = 10_000
_MODELS = ("gpt-4o", "claude-sonnet", "gemini-pro", "qwen", "mistral")
_ENDS = ("completed",) * 27 + ("client_disconnected", "app_error", "stream_error")
_STATUS = {"client_disconnected": "cancelled", "app_error": "failed", "stream_error": "failed"}
_EVENTS = 100_000

# Milliseconds, and what each page of the list is asked with.
_LIST_BUDGET, _QUERY_BUDGET, _PAINT_BUDGET = 50.0, 5.0, 1000.0
_FILTERS = (
    "", "status=failed", "status=running", "end_reason=client_disconnected", "session=s-777", "actor=u-77",
    "model=qwen", "environment=dev", "started_after=2023-11-18T00:00:00", "status=failed&model=qwen",
)  # fmt: skip


def run(folder: Path, rounds: int, traces: int) -> list[Figure]:
    """Fill a database, measure, print and return the figures."""
    with recording_into(f"sqlite:///{folder / 'console.db'}", admin_token=TOKEN) as recorder:
        fill(recorder, traces, time.time_ns() // 1000)
        figures = [*_lists(recorder, rounds), *_paints(recorder, rounds)]
    show(f"Console: {traces:,} traces stored, SQLite; a trace of {_EVENTS:,} events", figures)
    return figures


def fill(recorder: Recorder, traces: int, now: int) -> None:
    """A week of traces that differ in all that lists are filtered by."""
    rows = (_row(key, now - WEEK_US + WEEK_US * key // traces) for key in range(1, traces + 1))
    while part := list(islice(rows, _AT_ONCE)):
        with recorder.database.writing() as connection:
            insert(connection, TaskTrace.metadata.tables["task_traces"], part)
    with recorder.database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")


def _row(key: int, started_at: int) -> dict[str, Any]:
    chance = random.Random(key)
    end_reason = chance.choice(_ENDS)
    return trace_row(
        key,
        started_at,
        status=_STATUS.get(end_reason, "completed"),
        end_reason=end_reason,
        session_id=f"s-{key // 7}",
        actor=f"u-{chance.randrange(1000)}",
        model=chance.choice(_MODELS),
        environment="dev" if key % 3 == 0 else "prod",
        ended_at=started_at + 30_000_000,
        duration_ms=30_000,
        first_content_us=chance.randrange(100_000, 2_000_000),
        output_tokens=300,
        closed=True,
    )


def _lists(recorder: Recorder, rounds: int) -> list[Figure]:
    """The server's time for the first page of each filter, and for pages deep in the list."""
    deep = _deep_cursor(recorder)
    paths = [f"/traces?{query}" for query in _FILTERS] + [f"/traces?cursor={deep}"]
    queries = [f"/api/task-trace?{query}" for query in _FILTERS] + [f"/api/task-trace?cursor={deep}"]
    admin = Admin(recorder)
    taken = Rounds({path: _asked(admin, path) for path in [*paths, *queries]}, rounds)
    return [
        *(Figure(f"page {path[7:] or 'newest'}"[:50], "ms", taken.spread(path, "ms"), _LIST_BUDGET) for path in paths),
        *(
            Figure(f"API {path[16:] or 'newest'}"[:50], "ms", taken.spread(path, "ms"), _QUERY_BUDGET)
            for path in queries
        ),
    ]


def _deep_cursor(recorder: Recorder) -> str:
    """Some pages behind the newest: a cursor makes every page cost the same."""
    cursor = ""
    for _ in range(4):
        cursor = recorder.store.list_traces(limit=500, cursor=cursor or None).next_cursor or ""
    return cursor


def _asked(admin: Admin, path: str) -> Callable[[], Sample]:
    async def ask() -> float:
        transport = httpx.ASGITransport(admin)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=BEARER) as client:
            best = float("inf")
            for _ in range(5):
                began = perf_counter()
                (await client.get(path)).raise_for_status()
                best = min(best, perf_counter() - began)
            return best * 1000

    return lambda: {"ms": asyncio.run(ask())}


def _paints(recorder: Recorder, rounds: int) -> Sequence[Figure]:
    """First paint of each side of a long trace, in Chromium."""
    if CHROMIUM is None:
        print("no Chromium was found, so first paint is not measured")
        return ()
    trace_id = write_trace(recorder.database, frames(_EVENTS), frames_per_block=256, frames=_EVENTS, closed=True)
    # The first round warms caches and is not counted.
    samples = list(_painted(recorder, CHROMIUM, trace_id, rounds))[1:]
    return [
        Figure(f"first paint, {tab}", "ms", Spread.of([sample[tab] for sample in samples]), _PAINT_BUDGET)
        for tab in samples[0]
    ]


def _painted(recorder: Recorder, chromium: str, trace_id: str, rounds: int) -> Iterator[dict[str, float]]:
    """For each round, the first paint of each side in milliseconds from the start of the navigation."""
    from playwright.sync_api import sync_playwright

    paint = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
    with serving(Admin(recorder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/")
        page.fill("#token", TOKEN)
        page.click("button.primary")
        page.wait_for_selector("main h1")
        for _ in range(rounds + 1):
            found = {}
            for tab in ("summary", "conversation", "frames", "timeline", "graph", "raw"):
                page.goto(f"{address}/traces/{trace_id}?tab={tab}")
                page.wait_for_timeout(300)
                found[tab] = float(page.evaluate(paint))
            yield found
        browser.close()
