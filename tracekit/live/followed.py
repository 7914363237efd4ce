"""One trace and all who follow it on an event loop: they share what is read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from tracekit.live.pages import LivePage
from tracekit.live.states import TraceState

__all__ = ["Followed", "SharedPage"]

T = TypeVar("T")

_KEPT_PAGES = 8
"""Pages held for those who are a little behind; who is further behind reads the database."""


class SharedPage(NamedTuple, Generic[T]):
    """A page, and what was made of its events once for all readers."""

    page: LivePage
    content: T


class _Reading(NamedTuple, Generic[T]):
    version: int
    """That of the trace when the reading began."""
    task: asyncio.Task[SharedPage[T]]

    def serves(self, version: int) -> bool:
        """Whether a reader who knows of this version finds in it what there is. A page with events stays true."""
        if self.version == version and not self.task.done():
            return True
        if not self.task.done() or self.task.cancelled() or self.task.exception() is not None:
            return False
        return self.version == version or bool(self.task.result().page.events)


class Followed(Generic[T]):
    """A trace that somebody follows. Used on the event loop only."""

    def __init__(self, read: Callable[[int, bool], Awaitable[SharedPage[T]]]) -> None:
        """`read(since, past_gaps)` reads one page."""
        self.version = 0
        """Grows when the trace has changed."""
        self.followers: set[asyncio.Event] = set()
        """Set when the version has grown."""
        self._read = read
        self._state: TraceState | None = None
        self._readings: OrderedDict[tuple[int, bool], _Reading[T]] = OrderedDict()

    def changed(self, state: TraceState | None) -> None:
        """The trace stands like this now; None: it is gone."""
        if state == self._state and self.version:
            return
        self._state = state
        self.version += 1
        for wake in self.followers:
            wake.set()

    async def page(self, since: int, *, past_gaps: bool) -> tuple[SharedPage[T], int]:
        """The page after `since`: one reading for all who ask for the same one. With it the version of the trace when
        it was read, which may be an older one: what has changed since then stands in no page yet.

        Raises:
            NotFound: the trace is gone.
            StoreUnavailable: the database cannot be read now.
        """
        place = (since, past_gaps)
        reading = self._readings.get(place)
        if reading is None or not reading.serves(self.version):
            reading = self._begin(place)
        # One reader that leaves does not take the page from the others.
        return await asyncio.shield(reading.task), reading.version

    def _begin(self, place: tuple[int, bool]) -> _Reading[T]:
        task = asyncio.ensure_future(self._read(*place))
        task.add_done_callback(_looked_at)
        reading = self._readings[place] = _Reading(self.version, task)
        self._readings.move_to_end(place)
        while len(self._readings) > _KEPT_PAGES:
            self._readings.popitem(last=False)
        return reading


def _looked_at(task: asyncio.Task[SharedPage[T]]) -> None:
    """An error is told to those who wait; where all have left, to nobody."""
    if not task.cancelled():
        task.exception()
