"""Traces with many spans, written straight into the tables: a week of work, and what runs at the moment."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from tracekit.models import TaskTrace, TaskTraceEvent, TaskTraceProcess, TaskTraceSpan
from tracekit.store import Database
from tracekit.store.blocks import Block, Item, pack
from tracekit.types import ItemKind

WEEK_US = 7 * 86_400_000_000
MINUTE_US = 60_000_000
SPANS_OF_A_TRACE = 10
RUNNING = 100

_TRACES, _SPANS, _EVENTS, _PROCESSES = (
    model.metadata.tables[model.__tablename__] for model in (TaskTrace, TaskTraceSpan, TaskTraceEvent, TaskTraceProcess)
)
_LAYERS = ("L1_orchestrator", "L2_planner", "L3_executor", "L4_browser", None)
_CODES = ("TIMEOUT", "NETWORK_ERROR", "RATE_LIMITED", "OUT_OF_MEMORY", "UNEXPECTED_ERROR")
_PROCESS_IDS = [f"{number:032x}" for number in range(4)]

# Rows that are written in one transaction.
_AT_ONCE = 2000


class Rows(NamedTuple):
    """The rows of one trace."""

    trace: dict[str, Any]
    spans: list[dict[str, Any]]
    events: list[dict[str, Any]]


def fill(database: Database, spans: int, now: int) -> None:
    """Write about so many spans, ten to a trace. One in thirty has failed; the last hundred traces run at `now`."""
    traces = max(spans // SPANS_OF_A_TRACE, RUNNING + 1)
    with database.writing() as connection:
        insert(connection, _PROCESSES, [_process(number, now) for number in range(len(_PROCESS_IDS))])
    rows = _rows(traces, now)
    while part := list(islice(rows, _AT_ONCE)):
        with database.writing() as connection:
            insert(connection, _TRACES, [row.trace for row in part])
            insert(connection, _SPANS, [span for row in part for span in row.spans])
            insert(connection, _EVENTS, [event for row in part for event in row.events])


def insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows the quickest way that the driver has."""
    columns = [column.name for column in table.columns]
    defaults = {column.name: getattr(column.default, "arg", None) for column in table.columns}
    values = (tuple((defaults | row)[name] for name in columns) for row in rows)
    names = ", ".join(columns)
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)
    else:
        _copy(cursor, f"COPY {table.name} ({names}) FROM STDIN", values)
    cursor.close()


def _copy(cursor: Any, statement: str, values: Iterable[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        for row in values:
            copy.write_row(row)


def _process(number: int, now: int) -> dict[str, Any]:
    """The first of them is dead."""
    beat = now - (MINUTE_US if number == 0 else 1_000_000)
    facts = {"process_id": _PROCESS_IDS[number], "host": "host", "pid": number, "role": "web"}
    return {**facts, "started_at": now - WEEK_US, "heartbeat_at": beat}


def _rows(traces: int, now: int) -> Iterator[Rows]:
    chance = random.Random(7)
    ended = traces - RUNNING
    for key in range(1, ended + 1):
        yield _ended(key, now - WEEK_US + WEEK_US * (key - 1) // ended, chance)
    for number in range(RUNNING):
        yield _running(ended + 1 + number, number, now, chance)


def trace_row(key: int, started_at: int, **columns: Any) -> dict[str, Any]:
    """The row of one trace, with some columns as given."""
    return {
        "id": key,
        "trace_id": f"{key:032x}",
        "enabled_by": "request",
        "environment": "prod",
        "path": "/chat",
        "prompt_preview": "What happened then? " * 10,
        "answer_preview": "Then the following happened. " * 10,
        "owner_process_id": _PROCESS_IDS[key % len(_PROCESS_IDS)],
        "started_at": started_at,
        "last_event_at": started_at + MINUTE_US // 2,
        "last_seq": 20,
        **columns,
    }


def _ended(key: int, started_at: int, chance: random.Random) -> Rows:
    failed = chance.random() < 1 / 30
    trace = trace_row(
        key,
        started_at,
        status="failed" if failed else "completed",
        end_reason="app_error" if failed else "completed",
        reason_code=chance.choice(_CODES) if failed else None,
        ended_at=started_at + MINUTE_US // 2,
        duration_ms=30_000,
        first_content_us=chance.randrange(100_000, 2_000_000),
        input_tokens=1000,
        output_tokens=300,
    )
    spans = [_span(key, number, started_at, chance, is_open=False) for number in range(SPANS_OF_A_TRACE)]
    return Rows(trace, _in_one_another(spans), [])


def _running(key: int, number: int, now: int, chance: random.Random) -> Rows:
    """One in five has been silent for long, one in five gets keepalives only; the others move."""
    silent, alive_only = number % 5 == 0, number % 5 == 1
    started_at = now - 20 * MINUTE_US
    last_event_at = now - (10 * MINUTE_US if silent else 500_000)
    trace = trace_row(key, started_at, status="running", last_event_at=last_event_at, stalled=silent or alive_only)
    spans = [_span(key, place, started_at, chance, is_open=place < 3) for place in range(SPANS_OF_A_TRACE)]
    for span in spans:
        span["heartbeat_at"] = now - 20_000_000
    return Rows(trace, _in_one_another(spans), _events(key, started_at, last_event_at, alive_only=alive_only))


def _span(key: int, number: int, started_at: int, chance: random.Random, *, is_open: bool) -> dict[str, Any]:
    failed = not is_open and chance.random() < 1 / 30
    began = started_at + number * 1_000_000
    return {
        "trace_key": key,
        "span_id": f"{chance.getrandbits(64):016x}",
        "layer": _LAYERS[number % len(_LAYERS)],
        "step_name": f"step {number}",
        "kind": "work",
        "status": "running" if is_open else "failed" if failed else "success",
        "reason_code": chance.choice(_CODES) if failed else None,
        "started_at": began,
        "ended_at": None if is_open else began + chance.randrange(1000, 3_000_000),
        "heartbeat_at": began,
        "input_summary": '{"question":"what happened then"}',
        "error": "TimeoutError: it took too long" if failed else None,
    }


def _in_one_another(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first three in one another, the others in the third."""
    for number, span in enumerate(spans[1:], 1):
        span["parent_span_id"] = spans[min(number - 1, 2)]["span_id"]
    return spans


def _events(key: int, started_at: int, last_event_at: int, *, alive_only: bool) -> list[dict[str, Any]]:
    """Single events, the notice of silence among them, and a block of frames at the end."""
    singles = [
        _event(key, seq, started_at + seq * 1_000_000, "stream.idle" if alive_only and seq == 10 else "log")
        for seq in range(1, 11)
    ]
    kind = ItemKind.KEEPALIVE if alive_only else ItemKind.FRAME
    offset = last_event_at - started_at
    items = [Item(seq, offset - (20 - seq) * 1000, kind, b"data: %d\n\n" % seq) for seq in range(11, 21)]
    block = _event(key, 11, started_at + items[0].offset_us, "stream.frame", frames=pack(Block.of(items, None)))
    return [*singles, block | {"last_seq": 20, "payload": None}]


def _event(key: int, seq: int, timestamp: int, event_type: str, **columns: Any) -> dict[str, Any]:
    row = {"trace_key": key, "seq": seq, "last_seq": seq, "event_type": event_type, "timestamp": timestamp}
    return {**row, "payload": '{"silence_us":30000000}', **columns}
