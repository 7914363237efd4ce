"""`tracekit doctor`: whether the file is whole, and the events of each trace."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from command_line import on
from sqlalchemy import text
from trace_rows import frames, mixed, write_trace

from tracekit.store import Database

LAST = "(SELECT MAX(seq) FROM task_trace_events WHERE trace_key = :key)"


@pytest.mark.parametrize("lost", ["seq = 1", f"seq = {LAST}", "0 = 0"], ids=["first", "last", "all"])
def test_the_doctor_finds_events_that_are_missing(database: Database, lost: str) -> None:
    """At the beginning of a trace, at its end, or all of them; of how many traces, and which. What runs is let be."""
    ids = [write_trace(database, mixed(40), frames_per_block=3, closed=True) for _ in range(3)]
    write_trace(database, mixed(40), status="running", end_reason=None, closed=False, last_seq=99)
    assert on(database, "doctor").status == 0
    with database.writing() as connection:
        key = connection.execute(text("SELECT id FROM task_traces WHERE trace_id = :id"), {"id": ids[1]}).scalar_one()
        statement = f"DELETE FROM task_trace_events WHERE trace_key = :key AND {lost}"
        connection.execute(text(statement), {"key": key})
    done = on(database, "doctor", "--json")
    (found,) = [one for one in map(json.loads, done.out.splitlines()) if one["check"] == "events"]
    assert (done.status, found["state"]) == (1, "wrong")
    assert found["found"] == f"of 1 trace events are missing: {ids[1]}"


def test_the_doctor_removes_rows_without_a_trace(sqlite: Database) -> None:
    """Which nobody can make while the database keeps its keys; an older tool that does not may leave them."""
    write_trace(sqlite, [b"x"])
    with closing(sqlite3.connect(str(sqlite.path()))) as connection, connection:
        connection.execute("INSERT INTO task_trace_texts VALUES (99, 'answer', 'x', 'x')")
    done = on(sqlite, "doctor")
    assert done.status == 1
    assert "1 row without a trace" in done.out
    assert "1 row without a trace deleted" in on(sqlite, "doctor", "--fix").out
    assert "without a trace" not in on(sqlite, "doctor").out


def test_the_doctor_finds_a_damaged_file(sqlite: Database) -> None:
    """In a page that no question happens to read."""
    for _ in range(40):
        write_trace(sqlite, frames(50), frames_per_block=2, texts={"answer": "x" * 3000})
    path = sqlite.path()
    assert path is not None
    sqlite.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 8192 * 4096
    damaged[middle : middle + 4096 * 6] = b"\xa5" * (4096 * 6)
    path.write_bytes(damaged)
    done = on(sqlite, "doctor")
    assert done.status == 1
    assert any(word in done.out for word in ("file", "cannot be used")), done.out
