"""Reading the events of a trace, page by page or all of them.

A walk through a trace reads window after window, each in a transaction of its own, so that a slow reader holds
nothing open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from tracekit.errors import InvalidInput
from tracekit.store.engine import Database
from tracekit.store.event_filters import check_filter, read_filtered
from tracekit.store.records import EventFilter, EventPage, EventRecord
from tracekit.store.rows import EVENTS, GREATEST_INTEGER, TraceHead, find_head, is_storable
from tracekit.store.windows import PACKED_TYPES, read_window

__all__ = ["EventReader", "latest_events"]

# Numbers in one window. A walk begins with few, since payloads may be large, and takes more while they are light.
_SMALLEST_WINDOW, _LARGEST_WINDOW = 64, 4096

# Bytes of frames and payloads in one window above which the next one is half as wide.
_HEAVY_WINDOW = 2 * 1024 * 1024

_MOST_EVENTS = 2000
_MOST_TYPES = 64

_EVERYTHING = EventFilter()

_COUNT_ROWS = select(func.count()).where(EVENTS.c.trace_key == bindparam("key", type_=BigInteger))


class EventReader:
    """The events of traces in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        trace_id: str,
        since_seq: int,
        limit: int,
        types: Collection[str] | None,
        filter: EventFilter = _EVERYTHING,
    ) -> EventPage:
        """At most `limit` events after `since_seq`. Raises NotFound and InvalidInput."""
        _check(since_seq, limit, types)
        check_filter(filter)
        with self._database.reading() as connection:
            head = find_head(connection, trace_id)
            if filter == _EVERYTHING:
                events = _more_than(limit, connection, head, since_seq, types)
            else:
                events = read_filtered(connection, head, filter, since=since_seq, limit=limit + 1, types=types)
            total = _total(connection, head)
        page = events[:limit]
        return EventPage(page, total, len(events) > limit, page[-1].seq if page else since_seq)

    def latest(self, trace_id: str, limit: int) -> list[EventRecord]:
        """The last `limit` events, oldest first. Raises NotFound and InvalidInput."""
        _check(0, limit, None)
        with self._database.reading() as connection:
            return latest_events(connection, find_head(connection, trace_id), limit)

    def iterate(self, trace_id: str, since_seq: int, types: Collection[str] | None) -> Iterator[EventRecord]:
        """All events after `since_seq`, in constant memory. Raises NotFound and InvalidInput before the first."""
        _check(since_seq, 1, types)
        with self._database.reading() as connection:
            head = find_head(connection, trace_id)
        width, more = _SMALLEST_WINDOW, True
        while more:
            with self._database.reading() as connection:
                window = read_window(connection, head, since_seq, width, types)
            yield from window.events
            since_seq, more = window.until, window.more
            width = _next_width(width, window.weight)


def latest_events(connection: Connection, head: TraceHead, limit: int) -> list[EventRecord]:
    """The last `limit` events at the moment when `head` was read, oldest first."""
    width = limit
    while True:
        since = max(0, head.last_seq - width)
        events = read_window(connection, head, since, head.last_seq - since).events
        if len(events) >= limit or since == 0:
            return events[-limit:]
        width *= 4


def _more_than(
    limit: int, connection: Connection, head: TraceHead, since: int, types: Collection[str] | None
) -> list[EventRecord]:
    """The events after `since`, more than `limit` of them if there are: the page and the proof that it is not all."""
    width = limit + 1 if types is None or PACKED_TYPES.isdisjoint(types) else _LARGEST_WINDOW
    events: list[EventRecord] = []
    more = True
    while more and len(events) <= limit:
        window = read_window(connection, head, since, width, types)
        events += window.events
        since, more = window.until, window.more
    return events


def _total(connection: Connection, head: TraceHead) -> int:
    """Events stored; of a trace whose payloads are gone only single events are left, each a row."""
    if head.payloads_deleted:
        return int(connection.execute(_COUNT_ROWS, {"key": head.key}).scalar_one())
    return head.events_stored


def _next_width(width: int, weight: int) -> int:
    if weight > _HEAVY_WINDOW:
        return max(1, width // 2)
    return min(width * 2, _LARGEST_WINDOW)


def _check(since_seq: int, limit: int, types: Collection[str] | None) -> None:
    if not 1 <= limit <= _MOST_EVENTS:
        raise InvalidInput(f"limit: between 1 and {_MOST_EVENTS}", field="limit")
    if not 0 <= since_seq < GREATEST_INTEGER:
        raise InvalidInput("since_seq: a sequence number, 0 or more", field="since_seq")
    if types is not None and (len(types) > _MOST_TYPES or not all(map(is_storable, types))):
        raise InvalidInput(f"type: names of event types, at most {_MOST_TYPES}", field="type")
