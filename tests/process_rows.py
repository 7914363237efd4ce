"""The rows of processes as a test needs them."""

from __future__ import annotations

from sqlalchemy import text

from tracekit.store import Database

__all__ = ["let_time_pass"]


def let_time_pass(url: str, seconds: float) -> None:
    """Set every heartbeat back, as if so much time had gone by."""
    database = Database(url)
    with database.writing() as connection:
        connection.execute(
            text("UPDATE task_trace_processes SET heartbeat_at = heartbeat_at - :past"), {"past": int(seconds * 1e6)}
        )
    database.close()
