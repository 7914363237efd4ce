"""The events that follow a number, as far as they are written: what a reader of a live trace takes in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tracekit.errors import NotFound
from tracekit.live.states import TraceState, read_states
from tracekit.store.engine import Database
from tracekit.store.records import EventRecord
from tracekit.store.rows import plain_id
from tracekit.store.windows import read_window

__all__ = ["LivePage", "PageReader"]

# Numbers in one page: few at first, since payloads may be large, and more while they are light. A page is read as a
# whole, sent as a whole, and shared by all who are at the same place.
_SMALLEST, _LARGEST = 16, 512

# Bytes of frames and payloads, as stored, above which the next page is half as wide.
_HEAVY = 512 * 1024


class LivePage(NamedTuple):
    """Events in order of seq, and how the trace stood in the same moment."""

    events: Sequence[EventRecord]
    until: int
    """The seq to go on from: that of the last event, or the one that was asked for."""
    more: bool
    """More is stored than this."""
    has_gap: bool
    """What follows `until` is not the next number. A lower one may still be on its way, since a batch that holds a bad
    row is written in parts."""
    state: TraceState


class PageReader:
    """Reads pages of one trace; may be used by several threads."""

    def __init__(self, database: Database, trace_id: str) -> None:
        """Raises NotFound where no trace can have this id."""
        self.trace_id = plain_id(trace_id)
        self._database = database
        self._width = _SMALLEST * 4

    def read(self, since: int, *, past_gaps: bool) -> LivePage:
        """The events after `since`. Those behind a missing number are left out, unless `past_gaps`.

        Raises:
            NotFound: there is no such trace, or not any more.
            StoreUnavailable: the database cannot be read now.
        """
        with self._database.reading() as connection:
            state = read_states(connection, [self.trace_id]).get(self.trace_id)
            if state is None:
                raise NotFound(f"no trace has the id {self.trace_id}")
            return self._page(connection, state, since, past_gaps=past_gaps)

    def _page(self, connection: Connection, state: TraceState, since: int, *, past_gaps: bool) -> LivePage:
        events: list[EventRecord] = []
        asked, more = since, True
        while more and not events:
            window = read_window(connection, state.head, asked, self._width)
            events, asked, more = window.events, window.until, window.more
            self._adapt(window.weight)
        whole = events if past_gaps or state.payloads_deleted else _without_gap(events, since)
        until = whole[-1].seq if whole else since
        left_out = len(whole) < len(events)
        return LivePage(whole, until, more or left_out, left_out, state)

    def _adapt(self, weight: int) -> None:
        self._width = max(_SMALLEST, self._width // 2) if weight > _HEAVY else min(self._width * 2, _LARGEST)


def _without_gap(events: list[EventRecord], since: int) -> list[EventRecord]:
    """The events that follow one another without a missing number."""
    if not events or events[-1].seq - since == len(events):
        return events
    return [event for number, event in enumerate(events, since + 1) if event.seq == number]
