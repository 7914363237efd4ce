"""The processes that record: their columns beside a trace, and what they say of its life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, or_

from tracekit.models import TaskTraceProcess
from tracekit.store.question_records import Owner

__all__ = ["DEAD", "DEAD_AFTER_US", "DEAD_BEFORE", "OWNER_COLUMNS", "PROCESSES", "owner_of"]

DEAD_AFTER_US = 15_000_000
"""A process that has not beaten for so long is taken for dead: three beats missed."""

PROCESSES = TaskTraceProcess.metadata.tables["task_trace_processes"]

OWNER_COLUMNS = [
    PROCESSES.c.process_id,
    PROCESSES.c.host,
    PROCESSES.c.pid,
    PROCESSES.c.role,
    PROCESSES.c.version,
    PROCESSES.c.heartbeat_at,
    PROCESSES.c.ended_at,
]

DEAD_BEFORE = bindparam("dead_before", type_=BigInteger)

DEAD = case(
    (
        or_(
            PROCESSES.c.process_id.is_(None),
            PROCESSES.c.ended_at.is_not(None),
            PROCESSES.c.heartbeat_at < DEAD_BEFORE,
        ),
        1,
    ),
    else_=0,
)
"""1 where the joined process is gone, ended, or silent since `dead_before`."""


def owner_of(values: Sequence[Any], now: int) -> Owner | None:
    """The process that `OWNER_COLUMNS` tell of; None where none was joined."""
    process_id, host, pid, role, version, heartbeat_at, ended_at = values
    if process_id is None:
        return None
    since = now - heartbeat_at
    alive = ended_at is None and since <= DEAD_AFTER_US
    return Owner(process_id, host, pid, role, version, heartbeat_at, max(since, 0), ended_at, alive)
