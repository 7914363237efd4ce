"""Which recording processes live: each beats in its row, and whoever sees a dead one ends its traces."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, delete, extract, func, insert, not_, select, update

from tracekit import json_text
from tracekit.lineage import environment_lineage
from tracekit.models import TaskTrace, TaskTraceProcess
from tracekit.store.engine import Database
from tracekit.store.incoming import INGESTED
from tracekit.store.premature import end_left_behind, undo_endings

__all__ = ["DEAD_AFTER_S", "HEARTBEAT_S", "SILENT_AFTER_S", "ProcessRegistry"]

HEARTBEAT_S = 5.0
DEAD_AFTER_S = 15.0
"""Three beats missed."""
SILENT_AFTER_S = 86_400.0
"""A trace that another program has begun is given up after a day without an event."""

_DIED = "its process died; what came after is not known"
_SILENT = "nothing was heard of it for a day"

# How long the row of a process is kept after its end: 30 days.
_REMEMBERED_US = 30 * 86_400 * 1_000_000

# Traces of dead processes that are ended in one transaction, and processes looked at in one.
_TRACES_AT_ONCE = 200
_PROCESSES_AT_ONCE = 50

_PROCESSES = TaskTraceProcess.metadata.tables["task_trace_processes"]
_TRACES = TaskTrace.metadata.tables["task_traces"]


class ProcessRegistry:
    """The rows of `task_trace_processes`: this process's own, and those of the dead.

    Whoever finds that a process has stopped beating writes its end, and then ends its traces, while holding its row.
    Every batch of a process first claims its row. So a process that was only stopped for a while finds out, before
    it writes again, that it was taken for dead, and takes its traces back.

    Where machines share a server, its clock tells the time of beats: their own may differ by more than a beat.
    """

    def __init__(
        self,
        database: Database,
        process_id: str,
        *,
        role: str,
        version: str | None,
        host: str | None = None,
        pid: int | None = None,
    ) -> None:
        """`host` and `pid` are given for a process that is gone, whose row another writes."""
        lineage = environment_lineage() if pid is None else None
        self.found_open = 0
        """Traces that were found to be left open by dead processes, since the start."""
        self._database = database
        self._process_id = process_id
        self._row = {
            "process_id": process_id,
            "host": (host or socket.gethostname())[:255],
            "pid": os.getpid() if pid is None else pid,
            "role": role,
            "version": version,
            "parent_run": lineage.parent_trace_id if lineage else None,
        }
        self._mine = _PROCESSES.c.process_id == process_id

    def _now(self) -> Any:
        """This moment in microseconds UTC, as a value or as an expression."""
        if self._database.dialect == "postgresql":
            return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
        return time.time_ns() // 1000

    def enter(self) -> None:
        """Write this process's row. Raises StoreUnavailable."""
        with self._database.writing() as connection:
            self.claim(connection)

    def beat(self, counters: dict[str, Any]) -> None:
        """Say that this process lives, and what it has done. Raises StoreUnavailable."""
        with self._database.writing() as connection:
            self.claim(connection)
            connection.execute(update(_PROCESSES).where(self._mine).values(counters=json_text.encode(counters)))

    def leave(self) -> None:
        """Say that this process ends in good order. Raises StoreUnavailable."""
        now = self._now()
        with self._database.writing() as connection:
            connection.execute(update(_PROCESSES).where(self._mine).values(heartbeat_at=now, ended_at=now))

    def claim(self, connection: Connection) -> bool:
        """Beat as part of a transaction that writes for this process. If it was taken for dead, undo that first;
        whether it was."""
        now = self._now()
        alive = update(_PROCESSES).where(self._mine, _PROCESSES.c.ended_at.is_(None)).values(heartbeat_at=now)
        if connection.execute(alive).rowcount:
            return False
        back = update(_PROCESSES).where(self._mine).values(heartbeat_at=now, ended_at=None)
        if connection.execute(back).rowcount:
            undo_endings(connection, self._process_id)
            return True
        connection.execute(insert(_PROCESSES).values(started_at=now, heartbeat_at=now, **self._row))
        return False

    def sweep(self) -> int:
        """End the traces of processes that stopped beating, and of those that ended; how many traces.

        Two sweepers cannot end a trace twice: each ends it only where it is still open, in one transaction with the
        event that says so. Raises StoreUnavailable.
        """
        ended = 0
        while True:
            with self._database.writing() as connection:
                self._bury(connection)
                left, silent = self._left_behind(connection), self._silent(connection)
                died = end_left_behind(connection, left, found_by=self._process_id, detail=_DIED)
                ended += died + end_left_behind(connection, silent, found_by=self._process_id, detail=_SILENT)
                if left or silent:
                    self._database.announce(connection)
            self.found_open += died
            if max(len(left), len(silent)) < _TRACES_AT_ONCE:
                return ended

    def _bury(self, connection: Connection) -> None:
        deadline = self._now() - int(DEAD_AFTER_S * 1_000_000)
        connection.execute(
            update(_PROCESSES)
            .where(_PROCESSES.c.heartbeat_at < deadline, _PROCESSES.c.ended_at.is_(None), not_(self._mine))
            .values(ended_at=_PROCESSES.c.heartbeat_at)
        )
        connection.execute(delete(_PROCESSES).where(_PROCESSES.c.ended_at < deadline - _REMEMBERED_US))

    def _left_behind(self, connection: Connection) -> list[int]:
        """Keys of some traces that are still open though their process is gone. Their processes' rows are held, so
        none of these can come back before this transaction is over."""
        is_gone = _PROCESSES.c.ended_at.is_not(None)
        gone = select(_PROCESSES.c.process_id).where(is_gone, not_(self._mine))
        open_traces = select(_TRACES.c.owner_process_id).where(
            _TRACES.c.closed.is_(False), _TRACES.c.owner_process_id.in_(gone)
        )
        owners = connection.execute(open_traces.distinct().limit(_PROCESSES_AT_ONCE)).scalars().all()
        if not owners:
            return []
        held = (
            select(_PROCESSES.c.process_id)
            .where(_PROCESSES.c.process_id.in_(owners), is_gone)
            .order_by(_PROCESSES.c.process_id)
            .with_for_update(skip_locked=True)
        )
        return _open_traces(connection, _TRACES.c.owner_process_id.in_(connection.execute(held).scalars().all()))

    def _silent(self, connection: Connection) -> list[int]:
        """Keys of some traces of other programs that nothing was heard of for long. Nobody knows their processes, and
        a trace that runs is never deleted."""
        silent = _TRACES.c.last_event_at < self._now() - int(SILENT_AFTER_S * 1_000_000)
        return _open_traces(connection, _TRACES.c.owner_process_id == INGESTED, silent)


def _open_traces(connection: Connection, *conditions: Any) -> list[int]:
    statement = select(_TRACES.c.id).where(_TRACES.c.closed.is_(False), *conditions).limit(_TRACES_AT_ONCE)
    return list(connection.execute(statement.with_for_update(skip_locked=True)).scalars())
