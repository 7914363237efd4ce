"""How the recorder is: what the health page, `/api/health` and `tracekit doctor` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tracekit.alerts import Alert
from tracekit.plugins import PluginFacts

__all__ = [
    "DatabaseHealth",
    "DiskHealth",
    "DropHealth",
    "Health",
    "Percentiles",
    "ProcessHealth",
    "Status",
    "WriterHealth",
]

Status = Literal["ok", "degraded", "failing"]


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """The database. `problem` says why it cannot be used, and how to mend it."""

    dialect: str
    ready: bool
    problem: str | None
    size_bytes: int | None
    sqlite_version: str | None
    sqlite_wal_risk: bool
    """This SQLite can, very rarely, corrupt a database that several processes write (fixed in 3.51.3)."""
    damaged_files: Sequence[str]
    """Files that were found damaged and are kept beside the database, until somebody removes them."""
    replaced_files: int
    """How often, since the start, the file was found to be deleted or replaced. What was only in it is gone."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds; None where nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """The writer thread and what waits for it."""

    alive: bool
    open_traces: int
    waiting_bytes: int
    limit_bytes: int
    spooled_bytes: int
    """What waits on disk, since the database could not be written for some time."""
    spool_limit_bytes: int
    """0: there is no spool."""
    spool_problem: str | None
    """Why the spool could not take something the last time."""
    batches: int
    traces_written: int
    events_written: int
    consecutive_failures: int
    last_problem: str | None
    last_flush_at: float | None
    flush_ms: Percentiles


@dataclass(frozen=True, slots=True)
class DropHealth:
    """What was lost since the start, by cause. Traces count their own losses too."""

    refused_events: int
    """Rows that the database refused for what they hold."""
    orphaned_events: int
    """Events of traces whose row was gone: deleted while they ran, or with the file that was replaced."""
    internal_errors: int
    """Faults of tracekit itself; each costs at most one trace."""
    last_internal_error: str | None


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """The disk that holds a SQLite database."""

    path: str
    free_bytes: int
    total_bytes: int
    least_free_bytes: int
    """With less than this free, no new traces are recorded."""
    short: bool
    """New traces are not recorded now, until there is more room."""
    skipped_traces: int = 0
    """Traces that were not recorded for it, since the start."""


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """This process."""

    process_id: str
    pid: int
    role: str
    version: str | None
    tracekit_version: str
    environment: str
    memory_bytes: int
    """The resident set now; where the system does not tell, the most that it ever was."""
    memory_limit_bytes: int
    """More than that raises an alert. 0: nothing does."""


@dataclass(frozen=True, slots=True)
class Health:
    """All of it. `status`: failing when nothing can be written, degraded when something was lost or is wrong, or an
    alert is raised."""

    status: Status
    recording: bool
    """Requests may be recorded now."""
    database: DatabaseHealth
    writer: WriterHealth
    drops: DropHealth
    disk: DiskHealth | None
    plugins: Sequence[PluginFacts]
    configuration_problems: Sequence[str]
    process: ProcessHealth
    api_ms: Percentiles
    """How long whole answers of the admin API took, within five minutes."""
    alerts: Sequence[Alert]
    """Those that this process raises now, the oldest first."""
