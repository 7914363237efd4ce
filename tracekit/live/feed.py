"""Following traces from an event loop: any number of readers, one look at the database for all of them.

A reader holds nothing but its place. It takes the pages that others read too, and where it has fallen behind reads
its own, so a slow one costs the others nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

import anyio
from anyio import to_thread
from sqlalchemy import Connection

from tracekit.errors import NotFound, StoreError
from tracekit.live.followed import Followed, SharedPage
from tracekit.live.listing import ListChange, ListedTrace, ListReader, Look
from tracekit.live.pages import PageReader
from tracekit.live.position import Position
from tracekit.live.states import TraceState, read_states
from tracekit.live.watch import Watch
from tracekit.store.engine import Database
from tracekit.store.records import EventRecord

__all__ = ["Follower", "LiveEnd", "LiveFeed", "LiveList"]

T = TypeVar("T")

# Reads at the same time. The database has four connections for readers, and the rest of the API needs some.
_READS = 2

# Until the next try while the database cannot be read.
_RETRY_S = 1.0

# Changes of the list that are held for those who are a little behind; who is further behind gets the list anew.
_KEPT_CHANGES = 1000


class LiveEnd(NamedTuple):
    """Nothing more comes of a trace: so it stood in the end; None where it was deleted."""

    state: TraceState | None


class LiveList(NamedTuple):
    """The list as a whole: the newest traces and those that run, newest first."""

    traces: Sequence[ListedTrace]


class LiveFeed(Generic[T]):
    """All that is followed from one event loop. `make` turns the events of a page into what its readers get; it is
    called once for each page, in a thread."""

    def __init__(self, database: Database, make: Callable[[Sequence[EventRecord]], T]) -> None:
        """To be built on the event loop that it is for."""
        self._database = database
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._limiter = anyio.CapacityLimiter(_READS)
        self._traces: dict[str, Followed[T]] = {}
        self._list = _FollowedList()
        self._watch = Watch(database, self._is_followed, self._look)

    def follow(self, trace_id: str, since: int) -> Follower[T]:
        """A reader of the events after `since`. Raises NotFound where no trace can have this id."""
        return Follower(self, PageReader(self._database, trace_id), since)

    async def changes(self) -> AsyncGenerator[LiveList | ListChange]:
        """The list as a whole, then each change of it; the list anew to who did not keep up. Never ends."""
        if not self._list.followers:
            # What was known when the last one left is old.
            self._list = _FollowedList()
        followed, wake = self._list, asyncio.Event()
        followed.followers.add(wake)
        self._watch.start()
        try:
            async for change in followed.since_now(wake):
                yield change
        finally:
            followed.followers.discard(wake)

    # For followers

    @contextmanager
    def joined(self, pages: PageReader, wake: asyncio.Event) -> Iterator[Followed[T]]:
        """The trace that a page reader reads, shared with all who follow it; `wake` is set when it changes."""
        followed = self._traces.setdefault(pages.trace_id, Followed(lambda *place: self._read(pages, *place)))
        followed.followers.add(wake)
        self._watch.start()
        try:
            yield followed
        finally:
            followed.followers.discard(wake)
            if not followed.followers:
                self._traces.pop(pages.trace_id, None)

    async def _read(self, pages: PageReader, since: int, past_gaps: bool) -> SharedPage[T]:
        def read() -> SharedPage[T]:
            page = pages.read(since, past_gaps=past_gaps)
            return SharedPage(page, self._make(page.events))

        return await to_thread.run_sync(read, limiter=self._limiter)

    # On the thread of the watch

    def _is_followed(self) -> bool:
        return bool(self._traces or self._list.followers)

    def _look(self, connection: Connection) -> None:
        traces = list(self._traces)
        states = read_states(connection, traces) if traces else {}
        followed = self._list
        look = followed.reader.look(connection) if followed.followers else None
        # A loop that was closed has no followers any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, {name: states.get(name) for name in traces})
            if look is not None:
                self._loop.call_soon_threadsafe(followed.changed, look)

    def _deliver(self, states: dict[str, TraceState | None]) -> None:
        for trace_id, state in states.items():
            if trace_id in self._traces:
                self._traces[trace_id].changed(state)


class Follower(Generic[T]):
    """One reader of one trace."""

    def __init__(self, feed: LiveFeed[T], pages: PageReader, since: int) -> None:
        self._feed = feed
        self._pages = pages
        self._position = Position(since)
        self._wake = asyncio.Event()

    async def pages(self) -> AsyncGenerator[SharedPage[T] | LiveEnd]:
        """Pages with events as they are written, and at last a `LiveEnd`. While the database is away nothing comes."""
        with self._feed.joined(self._pages, self._wake) as followed:
            while True:
                position = self._position
                try:
                    shared, version = await followed.page(position.since, past_gaps=position.passes_gaps(monotonic()))
                except NotFound:
                    yield LiveEnd(None)
                    return
                except StoreError:
                    await self._wait(followed, followed.version, _RETRY_S)
                    continue
                position.take(shared.page, monotonic())
                if shared.page.events:
                    yield shared
                elif position.is_over(monotonic()):
                    yield LiveEnd(shared.page.state)
                    return
                await self._wait(followed, version, position.patience(monotonic()))

    async def _wait(self, followed: Followed[T], version: int, seconds: float | None) -> None:
        """Wait until the trace is newer than `version`, at most so many seconds."""
        self._wake.clear()
        if followed.version == version:
            with anyio.move_on_after(seconds):
                await self._wake.wait()


class _FollowedList:
    """The list and all who follow it. All but `reader` is used on the event loop."""

    def __init__(self) -> None:
        self.reader = ListReader()
        self.followers: set[asyncio.Event] = set()
        self._traces: Sequence[ListedTrace] | None = None
        self._changes: deque[ListChange] = deque(maxlen=_KEPT_CHANGES)
        self._count = 0

    def changed(self, look: Look) -> None:
        """The list now."""
        self._traces = look.traces
        self._changes.extend(look.changes or ())
        self._count += len(look.changes or ())
        for wake in self.followers if look.changes or look.changes is None else ():
            wake.set()

    async def since_now(self, wake: asyncio.Event) -> AsyncIterator[LiveList | ListChange]:
        """The list, and then its changes."""
        place = -1
        while True:
            wake.clear()
            if self._traces is not None and place < self._count - len(self._changes):
                place = self._count
                yield LiveList(self._traces)
            while 0 <= place < self._count and place >= self._count - len(self._changes):
                place += 1
                yield self._changes[place - 1 - self._count]
            await wake.wait()
