"""How traces stand at one moment: the few columns that tell whether there is anything new to read."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from tracekit.store.rows import TRACES, TraceHead
from tracekit.types import TraceStatus

__all__ = ["TraceState", "read_states"]

# Ids in one statement: SQLite takes 32,766 parameters, and planning a long list costs time.
_IDS_AT_ONCE = 500

_RUNNING = TraceStatus.RUNNING.value


class TraceState(NamedTuple):
    """A trace without its payloads; the first columns are those of a `TraceHead`."""

    key: int
    started_at: int
    events_stored: int
    last_seq: int
    payloads_deleted: bool
    trace_id: str
    status: str
    end_reason: str | None
    reason_code: str | None
    stalled: bool
    ended_at: int | None
    duration_ms: int | None
    last_event_at: int

    @property
    def head(self) -> TraceHead:
        """What reading its events needs."""
        return TraceHead(*self[:5])

    @property
    def has_ended(self) -> bool:
        """Whether its ending is known."""
        return self.status != _RUNNING


_STATES = select(TRACES.c.id, *(TRACES.c[name] for name in TraceState._fields[1:])).where(
    TRACES.c.trace_id.in_(bindparam("ids", expanding=True))
)


def read_states(connection: Connection, trace_ids: Collection[str]) -> dict[str, TraceState]:
    """The states of some traces, by id as the table has it; those that are not there are left out."""
    ids = list(trace_ids)
    states: dict[str, TraceState] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        for row in connection.execute(_STATES, {"ids": ids[start : start + _IDS_AT_ONCE]}):
            state = TraceState(*row)
            states[state.trace_id] = state
    return states
