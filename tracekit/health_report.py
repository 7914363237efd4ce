"""The health of a recorder, put together from its parts."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tracekit.alerts import Alert
from tracekit.budget import Budget
from tracekit.health import (
    DatabaseHealth,
    DiskHealth,
    DropHealth,
    Health,
    Percentiles,
    ProcessHealth,
    Status,
    WriterHealth,
)
from tracekit.plugins import SWITCHED_OFF, PluginFacts
from tracekit.writer import Writer

__all__ = ["database_health", "disk_health", "has_wal_risk", "percentiles", "report", "writer_health"]

# The first release without the fault that can corrupt a WAL when two connections write or checkpoint at once.
_SAFE_SQLITE = (3, 51, 3)


def percentiles(values: Sequence[float]) -> Percentiles:
    """The usual three of a sample."""
    if not values:
        return Percentiles(None, None, None)
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
    return Percentiles(*(round(value, 3) for value in at))


def has_wal_risk() -> bool:
    """Whether the SQLite that is linked here can, very rarely, corrupt a database that several processes write."""
    return sqlite3.sqlite_version_info < _SAFE_SQLITE


def database_health(
    dialect: str,
    *,
    ready: bool,
    problem: str | None,
    size_bytes: int | None,
    damaged_files: Sequence[str],
    replaced_files: int,
) -> DatabaseHealth:
    """The database as the housekeeper sees it."""
    is_sqlite = dialect == "sqlite"
    return DatabaseHealth(
        dialect=dialect,
        ready=ready,
        problem=problem,
        size_bytes=size_bytes,
        sqlite_version=sqlite3.sqlite_version if is_sqlite else None,
        sqlite_wal_risk=is_sqlite and has_wal_risk(),
        damaged_files=damaged_files,
        replaced_files=replaced_files,
    )


def writer_health(writer: Writer, budget: Budget) -> WriterHealth:
    """The writer and what waits for it."""
    counters = writer.counters
    return WriterHealth(
        alive=writer.alive,
        open_traces=writer.open_traces,
        waiting_bytes=budget.waiting,
        limit_bytes=budget.limit,
        spooled_bytes=writer.spool.size_bytes,
        spool_limit_bytes=writer.spool.limit_bytes,
        spool_problem=writer.spool.problem,
        batches=counters.batches,
        traces_written=counters.traces,
        events_written=counters.events,
        consecutive_failures=counters.consecutive_failures,
        last_problem=counters.last_problem,
        last_flush_at=counters.last_flush_at,
        flush_ms=percentiles(list(counters.flush_ms)),
    )


def disk_health(path: Path | None, least_free_bytes: int) -> DiskHealth | None:
    """The disk of a database file, None where there is none."""
    if path is None:
        return None
    try:
        usage = shutil.disk_usage(path.parent)
    except OSError:
        return None
    short = usage.free < least_free_bytes
    return DiskHealth(os.fspath(path.parent), usage.free, usage.total, least_free_bytes, short)


def report(
    *,
    recording: bool,
    database: DatabaseHealth,
    writer: WriterHealth,
    drops: DropHealth,
    disk: DiskHealth | None,
    plugins: Sequence[PluginFacts],
    configuration_problems: Sequence[str],
    process: ProcessHealth,
    api_ms: Percentiles,
    alerts: Sequence[Alert],
) -> Health:
    """All of it, with the verdict."""
    faulty = any(facts.faults or facts.error not in (None, SWITCHED_OFF) for facts in plugins)
    lost = bool(drops.refused_events or drops.internal_errors or database.replaced_files)
    short = disk is not None and disk.short
    wrong = faulty or lost or short or database.damaged_files or configuration_problems
    status: Status = "degraded" if wrong or alerts else "ok"
    if database.problem is not None or writer.consecutive_failures or (recording and not writer.alive):
        status = "failing"
    return Health(
        status=status,
        recording=recording,
        database=database,
        writer=writer,
        drops=drops,
        disk=disk,
        plugins=plugins,
        configuration_problems=tuple(configuration_problems),
        process=process,
        api_ms=api_ms,
        alerts=alerts,
    )
