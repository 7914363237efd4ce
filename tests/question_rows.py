"""Traces, spans and processes for questions about what runs and what failed, written straight into the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import insert, select, update
from trace_rows import EVENTS, SPANS, TRACES, Moment, write_trace

from tracekit import json_text
from tracekit.models import TaskTraceProcess
from tracekit.store import Database

NOW = 1_700_000_000_000_000
"""The moment at which the questions are asked, microseconds UTC."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

PROCESS = "a" * 32
_PROCESSES = TaskTraceProcess.metadata.tables["task_trace_processes"]


def write_process(database: Database, process_id: str = PROCESS, **columns: Any) -> None:
    """A process that has just beaten."""
    row = {"process_id": process_id, "host": "web-1", "pid": 41, "role": "web"}
    with database.writing() as connection:
        connection.execute(insert(_PROCESSES), {**row, "started_at": NOW - DAY, "heartbeat_at": NOW} | columns)


def write_running(database: Database, timeline: Iterable[Moment] = (), **columns: Any) -> str:
    """A trace that runs for 20 minutes and of which something was heard a second ago; answers its id."""
    facts = {"status": "running", "end_reason": None, "owner_process_id": PROCESS}
    times = {"started_at": NOW - 20 * MINUTE, "last_event_at": NOW - SECOND}
    return write_trace(database, timeline, **(facts | times | columns))


def write_steps(database: Database, trace_id: str, *steps: dict[str, Any]) -> None:
    """Spans of a trace; what is left out of one makes it an open span that began 20 minutes ago and has just beaten."""
    blank = {"status": "running", "started_at": NOW - 20 * MINUTE, "heartbeat_at": NOW - SECOND}
    with database.writing() as connection:
        key = connection.execute(select(TRACES.c.id).where(TRACES.c.trace_id == trace_id)).scalar_one()
        # One insert for each: they name different columns.
        for step in steps:
            name = {"step_name": step["span_id"]}
            row = {**blank, **name, **step, "trace_key": key, "span_id": span_id(step["span_id"])}
            if row.get("parent_span_id") is not None:
                row["parent_span_id"] = span_id(row["parent_span_id"])
            connection.execute(insert(SPANS), row)


def span_id(name: str) -> str:
    """A span id that begins with a name."""
    return name.encode().hex()[:16].ljust(16, "0")


def ended(name: str, status: str = "success", took: int = SECOND, **columns: Any) -> dict[str, Any]:
    """An ended span, `took` microseconds long, that ended ten minutes before now."""
    ended_at = columns.pop("ended_at", NOW - 10 * MINUTE)
    return {"span_id": name, "status": status, "started_at": ended_at - took, "ended_at": ended_at, **columns}


def write_event(
    database: Database, trace_id: str, event_type: str, payload: Any = None, span: str | None = None, **columns: Any
) -> int:
    """One more event of a trace, after those that it has; answers its number."""
    with database.writing() as connection:
        row = connection.execute(select(TRACES).where(TRACES.c.trace_id == trace_id)).one()
        seq = row.last_seq + 1
        event = {"trace_key": row.id, "seq": seq, "last_seq": seq, "event_type": event_type, "span_id": span}
        facts = {"timestamp": row.last_event_at, "payload": None if payload is None else json_text.encode(payload)}
        connection.execute(insert(EVENTS), {**event, **facts, **columns})
        connection.execute(
            update(TRACES)
            .where(TRACES.c.id == row.id)
            .values(last_seq=seq, events_stored=row.events_stored + 1, events_seen=row.events_seen + 1)
        )
    return int(seq)


def write_many_spans(database: Database, trace_id: str, rows: Iterable[dict[str, Any]]) -> None:
    """Very many ended spans; each row names its layer, its start and how long it took."""
    with database.writing() as connection:
        key = connection.execute(select(TRACES.c.id).where(TRACES.c.trace_id == trace_id)).scalar_one()
        blank = {"trace_key": key, "step_name": "work", "status": "success"}
        spans = []
        for number, row in enumerate(rows):
            times = {"started_at": row["started_at"], "ended_at": row["started_at"] + row["took"]}
            spans.append({**blank, **times, "layer": row["layer"], "span_id": f"{number:016x}"})
        connection.execute(insert(SPANS), spans)
