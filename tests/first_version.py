"""A database as schema 0001 leaves it after some use, written with plain SQL so that it never changes with the code."""

from __future__ import annotations

import base64
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from tracekit.store import Database

COMPLETED = "01985b5a3c4d7e6f8a9b0c1d2e3f4a5b"
RUNNING = "01985b5a3c4d7e6f8a9b0c1d2e3f4a5c"
PROCESS = "01985b5a00007e6f8a9b0c1d2e3f4a5b"

FRAMES = [(3, b'data: {"a":1}\n\n'), (4, b": ping\n\n"), (5, b"data: \xff\x00\n\n")]
"""What the packed block holds, one byte string for each number."""

_BLOCK = base64.b64decode(
    "KLUv/SBFKQIAmQOQk80D6M0D6M0B9JMPCAqRkgEBkJKSFM0D6JINzQnExCFkYXRhOiB7ImEiOjF9Cgo6IHBpbmcKCmRhdGE6IP8ACgrA"
)

_TRACE = """
INSERT INTO task_traces (trace_id, session_id, actor, actor_is_admin, status, end_reason, trace_level, enabled_by,
    environment, method, path, http_status, framing, wire_format, model, tool_calls, prompt_preview, answer_preview,
    longest_silence_us, send_blocked_us, stalled, frames, keepalives, events_seen, events_stored, events_dropped,
    bytes_seen, bytes_stored, bytes_dropped, frames_undecoded, payloads_cut, payloads_redacted, payloads_deleted,
    last_seq, started_at, ended_at, duration_ms, last_event_at, owner_process_id, metadata)
VALUES (:trace_id, 's-1', 'ann', true, :status, :end_reason, 'full', 'requested', 'prod', 'POST', '/chat', 200, 'sse',
    'openai.chat', 'gpt-x', 1, '你好', 'Hi \u2603', 1500, 0, false, 2, 1, 6, 6, 0, 33, 33, 0, 0, 0, 0, false, 6,
    1763600000000000, :ended_at, :duration_ms, 1763600000003000, :process, '{"team": "a"}')
"""

_EVENT = """
INSERT INTO task_trace_events (trace_key, seq, last_seq, event_type, timestamp, span_id, phase, payload, frames, sealed)
SELECT id, :seq, :last_seq, :event_type, 1763600000000000 + :seq, :span_id, NULL, :payload, :frames, :sealed
FROM task_traces WHERE trace_id = :trace_id
"""

_REST = (
    "INSERT INTO task_trace_texts SELECT id, 'answer', 'Hi \u2603', 'hi \u2603' FROM task_traces",
    "INSERT INTO task_trace_spans (trace_key, span_id, step_name, status, started_at, artifacts)"
    " SELECT id, 'aaaaaaaaaaaaaaaa', 'fetch', 'success', 1763600000000000, '[1]' FROM task_traces",
    "INSERT INTO task_trace_processes (process_id, host, pid, role, started_at, heartbeat_at)"
    f" VALUES ('{PROCESS}', 'host', 7, 'web', 1763600000000000, 1763600000000000)",
    "INSERT INTO system_settings VALUES ('task_trace_max_events', '500', 1763600000000000, 'ann')",
    "INSERT INTO system_settings_audit (key, old_value, new_value, changed_at, changed_by)"
    " VALUES ('task_trace_max_events', '20000', '500', 1763600000000000, 'ann')",
)

TABLES = (
    "system_settings",
    "system_settings_audit",
    "task_trace_events",
    "task_trace_processes",
    "task_trace_spans",
    "task_trace_texts",
    "task_traces",
)


def make(database: Database) -> None:
    """Make the tables of schema 0001 in an empty database, and put rows in all of them."""
    with as_file(files("tracekit_migrations")) as folder, database.migrating() as connection:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        ended = {"status": "completed", "end_reason": "completed", "ended_at": 1763600000003000, "duration_ms": 3}
        running = {"status": "running", "end_reason": None, "ended_at": None, "duration_ms": None}
        for trace_id, facts in ((COMPLETED, ended), (RUNNING, running)):
            connection.execute(text(_TRACE), {"trace_id": trace_id, "process": PROCESS, **facts})
            for event in _events():
                connection.execute(text(_EVENT), {"trace_id": trace_id, **event})
        for statement in _REST:
            connection.exec_driver_sql(statement)


def _events() -> list[dict[str, object]]:
    rows = [
        (1, 1, "request.received", '{"method": "POST"}', None),
        (2, 2, "response.started", '{"status": 200}', None),
        (3, 5, "stream.frame", None, _BLOCK),
        (6, 6, "trace.finished", '{"end_reason": "completed"}', None),
    ]
    names = ("seq", "last_seq", "event_type", "payload", "frames")
    return [{**dict(zip(names, row, strict=True)), "span_id": None, "sealed": row[4] is not None} for row in rows]


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, each in the order of its columns."""
    with database.reading() as connection:
        return {
            table: sorted((tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")), key=repr)
            for table in TABLES
        }


def tables(database: Database) -> set[str]:
    """The names of all tables that are in the database."""
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())
