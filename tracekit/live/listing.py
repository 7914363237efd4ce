"""The list of traces as it changes: what began, what stalled or goes on, what ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from tracekit.documents import iso
from tracekit.store.rows import TRACES
from tracekit.types import TraceStatus

__all__ = ["ListChange", "ListReader", "ListedTrace", "Look", "Turn"]

_NEWEST = 50
"""Traces that are listed though they have ended."""

_MOST_RUNNING = 300
"""Running traces that are followed at once: the newest. A list of more is not read by people."""

_RUNNING = TraceStatus.RUNNING.value
_MOMENTS = ("started_at", "ended_at", "last_event_at")

# What grows with every frame. A trace has not changed for a list if only these have.
_GROWING = ("last_event_at", "last_seq", "frames", "tool_calls")


class Turn(StrEnum):
    """What a trace has done."""

    STARTED = "started"
    CHANGED = "changed"
    ENDED = "ended"
    DELETED = "deleted"


class ListedTrace(NamedTuple):
    """A trace as the live list shows it: facts of bounded length, no payloads."""

    key: int
    trace_id: str
    name: str | None
    status: str
    end_reason: str | None
    reason_code: str | None
    stalled: bool
    method: str | None
    path: str | None
    http_status: int | None
    model: str | None
    session_id: str | None
    message_id: str | None
    actor: str | None
    environment: str
    parent_trace_id: str | None
    started_at: int
    ended_at: int | None
    duration_ms: int | None
    last_event_at: int
    last_seq: int
    frames: int
    tool_calls: int
    input_tokens: int | None
    output_tokens: int | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status == _RUNNING

    def differs(self, other: ListedTrace) -> bool:
        """Whether a list would show it differently, but for what grows all the time."""
        return self != other._replace(**{name: getattr(self, name) for name in _GROWING})

    def document(self) -> dict[str, Any]:
        """The trace as JSON shows it."""
        document = self._asdict()
        del document["key"]
        document.update({name: iso(document[name]) for name in _MOMENTS if document[name] is not None})
        return document


class ListChange(NamedTuple):
    """One change of the list."""

    turn: Turn
    trace: ListedTrace


class Look(NamedTuple):
    """The list at one moment."""

    traces: Sequence[ListedTrace]
    """The newest traces and those that run, newest first."""
    changes: list[ListChange] | None
    """Since the last look; None at the first."""


_LISTED = select(TRACES.c.id, *(TRACES.c[name] for name in ListedTrace._fields[1:]))
_NEWEST_ONES = _LISTED.order_by(TRACES.c.id.desc()).limit(_NEWEST)
_RUNNING_ONES = _LISTED.where(TRACES.c.status == _RUNNING).order_by(TRACES.c.id.desc()).limit(_MOST_RUNNING)
_NAMED_ONES = _LISTED.where(TRACES.c.trace_id.in_(bindparam("ids", expanding=True)))


class ListReader:
    """Compares the list with what it was at the last look. For one thread."""

    def __init__(self) -> None:
        self._known: dict[str, ListedTrace] | None = None

    def look(self, connection: Connection) -> Look:
        """The list now, compared with the last look."""
        now = _read(connection, _NEWEST_ONES) | _read(connection, _RUNNING_ONES)
        before, self._known = self._known, now
        changes = None
        if before is not None:
            changes = [*_turns(before, now.values()), *_gone(connection, before, now.keys())]
        return Look(sorted(now.values(), key=lambda trace: -trace.key), changes)


def _read(connection: Connection, statement: Any, **parameters: Any) -> dict[str, ListedTrace]:
    rows = map(ListedTrace._make, connection.execute(statement, parameters))
    return {trace.trace_id: trace for trace in rows}


def _turns(before: dict[str, ListedTrace], now: Iterable[ListedTrace]) -> Iterator[ListChange]:
    """What the listed traces did, in the order in which they began."""
    oldest = min((trace.key for trace in before.values()), default=0)
    for trace in sorted(now, key=lambda trace: trace.key):
        known = before.get(trace.trace_id)
        # One that ended long ago comes back into the list when a newer one is deleted; that is no start.
        if known is None and (trace.is_running or trace.key > oldest):
            yield ListChange(Turn.STARTED, trace)
            if not trace.is_running:
                yield ListChange(Turn.ENDED, trace)
        elif known is not None and trace.differs(known):
            yield ListChange(Turn.ENDED if known.is_running and not trace.is_running else Turn.CHANGED, trace)


def _gone(connection: Connection, before: dict[str, ListedTrace], now: Collection[str]) -> Iterator[ListChange]:
    """What became of those that left the list while they ran, or were deleted. Others have only grown old."""
    left = [trace for trace_id, trace in before.items() if trace_id not in now]
    found = _read(connection, _NAMED_ONES, ids=[trace.trace_id for trace in left]) if left else {}
    for trace in left:
        current = found.get(trace.trace_id)
        if current is None:
            yield ListChange(Turn.DELETED, trace)
        elif trace.is_running and not current.is_running:
            yield ListChange(Turn.ENDED, current)
