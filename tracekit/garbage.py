"""Workspaces that nobody needs any more: their trace is gone, or nothing has happened in it for a week."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from tracekit.errors import NotFound, WrongState
from tracekit.store import Page, TraceStore
from tracekit.store.rows import plain_id
from tracekit.workspaces import Workspaces

__all__ = ["INACTIVE_US", "Garbage", "GarbageCollector"]

INACTIVE_US = 7 * 86_400 * 1_000_000
"""Microseconds without an event after which a workspace counts as garbage, although its trace is there."""

# A trace that has only begun is not in the database yet: the decision to record and the next flush take seconds.
_YOUNG_US = 60 * 1_000_000

# Traces asked for at once.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Garbage:
    """A workspace that may go. `bytes` and `files` are what it holds."""

    trace_id: str
    reason: Literal["gone", "inactive"]
    bytes: int
    files: int
    last_active_at: int
    """Microseconds UTC: the last event of the trace; where that is gone, the last change of the workspace."""
    age_s: int
    """Whole seconds since then."""


def _wall_clock() -> int:
    return time.time_ns() // 1000


class GarbageCollector:
    """Finds and removes garbage among the workspaces. Every method may raise StoreUnavailable, and WrongState where
    the folder that holds them cannot be read."""

    def __init__(self, store: TraceStore, workspaces: Workspaces, clock: Callable[[], int] = _wall_clock) -> None:
        """`clock` gives the time in microseconds UTC."""
        self._store = store
        self._workspaces = workspaces
        self._clock = clock

    def page(self, *, limit: int = 50, cursor: str | None = None) -> Page[Garbage]:
        """Garbage in order of the trace ids, which is that of their beginnings; `cursor` is the `next_cursor` of the
        page before."""
        found = list(islice(self.all(after=cursor or ""), limit + 1))
        return Page(found[:limit], found[limit - 1].trace_id if len(found) > limit else None)

    def all(self, after: str = "") -> Iterator[Garbage]:
        """All garbage of trace ids that come after one, measured as it is reached."""
        names = [name for name in self._workspaces.names() if name > after]
        for begin in range(0, len(names), _AT_ONCE):
            some = names[begin : begin + _AT_ONCE]
            active = self._store.last_activity(some)
            for name in some:
                if self._reason(name, active.get(name)) is not None:
                    yield from self._measured(name, active.get(name))

    def remove(self, trace_id: str) -> Garbage:
        """Remove one workspace; what it was. The trace itself stays.

        Raises:
            NotFound: there is none of this trace.
            WrongState: it is no garbage, or something in it cannot be removed.
        """
        name = plain_id(trace_id)
        active_at = self._store.last_activity([name]).get(name)
        found = next(self._measured(name, active_at), None)
        if found is None:
            raise NotFound(f"there is no workspace of {name}")
        if self._reason(name, active_at) is None:
            raise WrongState(f"the trace {name} was active within the last 7 days; its workspace stays")
        self._workspaces.remove(name)
        return found

    def _reason(self, name: str, active_at: int | None) -> Literal["gone", "inactive"] | None:
        now = self._clock()
        if active_at is None:
            return None if 0 <= now - _begun_at(name) < _YOUNG_US else "gone"
        return "inactive" if now - active_at >= INACTIVE_US else None

    def _measured(self, name: str, active_at: int | None) -> Iterator[Garbage]:
        """The workspace with what it holds; nothing where it has vanished meanwhile."""
        try:
            usage = self._workspaces.usage(name)
        except NotFound:
            return
        last = usage.changed_ns // 1000 if active_at is None else active_at
        age_s = max(0, self._clock() - last) // 1_000_000
        reason: Literal["gone", "inactive"] = "gone" if active_at is None else "inactive"
        yield Garbage(name, reason, usage.bytes, usage.files, last, age_s)


def _begun_at(name: str) -> int:
    """When a trace began, in microseconds UTC: its id begins with the milliseconds (RFC 9562, section 5.7)."""
    return int(name[:12], 16) * 1000
