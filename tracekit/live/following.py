"""Following from a program without an event loop: one thread, one reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from time import monotonic

from tracekit.live.listing import ListReader, Look
from tracekit.live.pages import LivePage, PageReader
from tracekit.live.position import Position
from tracekit.store.engine import Database

__all__ = ["follow_list", "follow_trace"]

_WAIT_S = 1.0


def follow_trace(database: Database, trace_id: str, *, since: int = 0) -> Iterator[LivePage]:
    """The events of a trace as they are written, page by page, until it has ended and all was read.

    A page without events comes each second while nothing happens; its state says how the trace stands.

    Raises:
        NotFound: there is no such trace, or not any more.
        StoreUnavailable: the database cannot be read now.
    """
    pages, position = PageReader(database, trace_id), Position(since)
    with closing(database.changes()) as changes:
        while True:
            page = pages.read(position.since, past_gaps=position.passes_gaps(monotonic()))
            position.take(page, monotonic())
            yield page
            if not page.events and position.is_over(monotonic()):
                return
            patience = position.patience(monotonic())
            if patience != 0:
                changes.wait(_WAIT_S if patience is None else min(patience, _WAIT_S))


def follow_list(database: Database) -> Iterator[Look]:
    """The list of traces, again whenever something was written, and each second while nothing is. Never ends.

    Raises:
        StoreUnavailable: the database cannot be read now.
    """
    reader = ListReader()
    with closing(database.changes()) as changes:
        while True:
            with database.reading() as connection:
                look = reader.look(connection)
            yield look
            changes.wait(_WAIT_S)
