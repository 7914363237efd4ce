"""What `tracekit doctor` looks at in a database, check by check, and what it can mend."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text

from tracekit.alerts import ADVICE
from tracekit.config import InitialSettings, Options, load
from tracekit.errors import StoreError
from tracekit.health_report import disk_health, has_wal_risk
from tracekit.human_units import counted, duration_text, moment_text, size_text
from tracekit.policy import conditions
from tracekit.settings_store import SettingsStore
from tracekit.store import Database, TraceStore
from tracekit.store.rebuild import rebuild
from tracekit.store.schema import state
from tracekit.store.soundness import file_fault, incomplete_traces, orphans, remove_orphans

__all__ = ["CHECKS", "FIXES", "Check", "Finding"]

# Clocks of two machines in one room differ by less; more, and traces of several workers stand in the wrong order.
_CLOCK_US = 2_000_000
_TOO_EARLY_US = 1_700_000_000_000_000

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. A `note` is worth knowing and nothing that is broken."""

    check: str
    state: State
    found: str
    advice: str = ""


Check = Callable[[Database], Iterator[Finding]]


def _reachable(database: Database) -> Iterator[Finding]:
    began = time.perf_counter_ns()
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
    took = duration_text((time.perf_counter_ns() - began) // 1000)
    yield Finding("database", "ok", f"{database.url.render_as_string(hide_password=True)} answers in {took}")


def _schema(database: Database) -> Iterator[Finding]:
    found = state(database)
    if found.status == "current":
        yield Finding("schema", "ok", f"version {found.current}")
        return
    advice = "install the newer tracekit" if found.status == "newer" else "run: tracekit migrate"
    yield Finding("schema", "wrong", f"{found.status}: {found.current or 'no tables'}, not {found.head}", advice)
    raise StoreError("its tables are not those of this version")


def _writable(database: Database) -> Iterator[Finding]:
    with database.writing() as connection:
        connection.execute(text("UPDATE task_traces SET stalled = stalled WHERE id = -1"))
    yield Finding("writing", "ok", "a transaction can be written")


def _settings(database: Database) -> Iterator[Finding]:
    initial, _ = load(InitialSettings)
    store = SettingsStore(database, initial)
    store.refresh()
    if store.problem:
        yield Finding("settings", "wrong", store.problem, "set it again: tracekit settings set KEY=VALUE")
        return
    environment = load(Options)[0].environment
    kept_out = conditions(store.current, environment)
    for condition in kept_out:
        yield _CONDITIONS[condition]
    if kept_out and any(setting.source != "database" for setting in store.describe()):
        yield _UNSEEN
    if not kept_out:
        yield Finding("settings", "ok", f"every request is recorded, in {environment}")


_UNSEEN = Finding(
    "settings",
    "note",
    "what Recorder(settings=...) says in the app holds for what nobody has changed yet, and is not seen from here",
    "the app's own /api/settings/system shows it",
)

_CONDITIONS = {
    "disabled": Finding("settings", "note", "recording is off", "tracekit settings set enabled=true"),
    "environment": Finding(
        "settings",
        "note",
        "recording is allowed in another environment than TRACEKIT_ENVIRONMENT",
        "tracekit settings set env=both",
    ),
    "admin_only": Finding(
        "settings",
        "note",
        "only requests made by an admin are recorded",
        "Recorder(identify=...) says who is one; or: tracekit settings set admin_only=false",
    ),
    "not_requested": Finding(
        "settings",
        "note",
        "only requests that ask for it are recorded",
        "X-Trace-Enabled: 1 in the request; or: tracekit settings set default_on=true",
    ),
}


def _content(database: Database) -> Iterator[Finding]:
    counts = TraceStore(database).counts()
    running = counts.by_status.get("running", 0)
    size = size_text(database.size_bytes())
    yield Finding("content", "ok", f"{counted(counts.traces, 'trace')}, {running:,} running, {size}")


def _whole(database: Database) -> Iterator[Finding]:
    fault = file_fault(database)
    if fault is not None:
        yield Finding("file", "wrong", fault, "tracekit restore, or let the app take over with a new file")
        return
    missing, without = incomplete_traces(database), orphans(database)
    if missing.count:
        found = f"of {counted(missing.count, 'trace')} events are missing: {', '.join(missing.trace_ids)}"
        yield Finding("events", "wrong", found, "nothing brings them back; --fix makes the counters say so")
    if without:
        yield Finding("rows", "wrong", f"{counted(without, 'row')} without a trace", "tracekit doctor --fix")
    if not missing.count and not without:
        yield Finding("events", "ok", "every trace that has ended has all of its events")


def _alerts(database: Database) -> Iterator[Finding]:
    """What the processes that live say of themselves: their heartbeats carry it."""
    raised = TraceStore(database).alerts()
    for found in raised:
        owner, alert = found.owner, found.alert
        what = f"{owner.host} pid {owner.pid}: {alert.title} {alert.detail}"
        yield Finding("alerts", "wrong", what, ADVICE.get(alert.rule, ""))
    if not raised:
        living = sum(process.alive for process in TraceStore(database).processes())
        yield Finding("alerts", "ok", f"{counted(living, 'living process', 'living processes')}, no alert")


def _disk(database: Database) -> Iterator[Finding]:
    disk = disk_health(database.path(), load(Options)[0].min_free_bytes)
    if disk is None:
        return
    found = f"{size_text(disk.free_bytes)} of {size_text(disk.total_bytes)} free at {disk.path}"
    if disk.short:
        yield Finding("disk", "wrong", found, "free some space, or: tracekit prune --older-than-days 1")
    else:
        yield Finding("disk", "ok", found)


def _sqlite(database: Database) -> Iterator[Finding]:
    if database.dialect != "sqlite":
        return
    if has_wal_risk():
        yield Finding(
            "SQLite",
            "note",
            f"{sqlite3.sqlite_version} can, very rarely, damage a database that several processes write at once",
            "use a Python with SQLite 3.51.3 or later, or PostgreSQL, for more than one worker",
        )
    else:
        yield Finding("SQLite", "ok", sqlite3.sqlite_version)


def _clock(database: Database) -> Iterator[Finding]:
    now = time.time_ns() // 1000
    ahead = _newest(database) - now
    drift = _server_clock(database, now)
    if now < _TOO_EARLY_US:
        yield Finding("clock", "wrong", f"this machine's clock says {moment_text(now)}", "set the clock")
    elif ahead > _CLOCK_US:
        yield Finding("clock", "wrong", f"the newest trace lies {duration_text(ahead)} in the future", "set the clocks")
    elif abs(drift) > _CLOCK_US:
        found = f"the database's clock differs by {duration_text(abs(drift))}"
        yield Finding("clock", "wrong", found, "set both clocks by a time server")
    else:
        yield Finding("clock", "ok", moment_text(now))


def _newest(database: Database) -> int:
    newest = TraceStore(database).list_traces(limit=1).items
    return newest[0].last_event_at if newest else 0


def _server_clock(database: Database, now: int) -> int:
    """By how many microseconds the server's clock is ahead; 0 where there is no server."""
    if database.dialect != "postgresql":
        return 0
    with database.reading() as connection:
        server = connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000000")).scalar_one()
    return int(server) - now


def _remove_orphans(database: Database) -> Iterator[Finding]:
    removed = remove_orphans(database)
    if removed:
        yield Finding("rows", "note", f"{counted(removed, 'row')} without a trace deleted")


def _rebuild(database: Database) -> Iterator[Finding]:
    """Mend what the rows of traces and spans say besides their events."""
    found = False
    for mended in rebuild(database):
        found = True
        what = [*mended.columns, *([counted(mended.spans, "span")] if mended.spans else [])]
        yield Finding("rebuild", "note", f"{mended.trace_id}: mended {', '.join(what)}")
    if not found:
        yield Finding("rebuild", "ok", "the rows of all ended traces are as the events say")


CHECKS: tuple[Check, ...] = (
    _reachable,
    _schema,
    _writable,
    _settings,
    _content,
    _whole,
    _alerts,
    _disk,
    _sqlite,
    _clock,
)

FIXES: tuple[Check, ...] = (_remove_orphans, _rebuild)
