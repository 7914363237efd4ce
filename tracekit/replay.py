"""A recorded response sent again: the same bytes, cut and timed as they were, with the same ending.

`Replay` is an ASGI app. The store is read ahead in the thread pool, a page at a time, so a replay takes as much memory
as two pages, and waiting for the database does not show in its pauses. Each pause ends at a moment counted from the
request, so that errors do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import monotonic

import anyio
from anyio.abc import ObjectSendStream, TaskGroup
from anyio.to_thread import run_sync

from tracekit.errors import InvalidInput, TracekitError
from tracekit.recorded_response import BodyMessages, Ending, Headers, RecordedResponse
from tracekit.types import Receive, Scope, Send

__all__ = ["EXACT_HEADER", "Replay", "ReplayBroken", "checked_speed"]

EXACT_HEADER = b"x-tracekit-exact"
"""Response header of a replay: `true` where every byte is what the app sent."""

# A page is what the thread pool is asked for at once.
_PAGE_MESSAGES = 64
_PAGE_BYTES = 64 * 1024

# Pages that are read ahead, besides the one that is being sent.
_PAGES_AHEAD = 1

# Seconds. Times that a recording claims may be anything; an event loop takes no infinite ones.
_LONGEST_PAUSE = 86_400.0 * 365

# Statuses without a body (RFC 9110, section 6.4.1).
_BODILESS = frozenset({204, 304})

_Page = list[tuple[int, bytes]]


class ReplayBroken(TracekitError):
    """Raised at the end of a replay whose recording ended in the middle, so that the server gives the connection up
    without the last chunk, as it happened then. It is no fault."""

    def __init__(self, ending: Ending) -> None:
        told = f": {ending.error}" if ending.error else ""
        super().__init__(f"the recorded response ended here ({ending.reason}{told})")
        self.end_reason = ending.reason


def checked_speed(speed: float) -> float:
    """How many times as fast as it was; 0 means without pauses.

    Raises:
        InvalidInput: it is negative, infinite or no number.
    """
    if not (math.isfinite(speed) and speed >= 0):
        raise InvalidInput("speed: a positive number, or 0 for no pauses", field="speed")
    return speed


class Replay:
    """An ASGI app that answers every HTTP request with a recorded response, whatever its method and path.

    A HEAD request gets the head alone. Nothing is shared between requests, so any number may run at once.

    Raises:
        ReplayBroken: (when called) the recording ended in the middle, and so does the replay.
        StoreError: (when called) the recording cannot be read to its end; the connection breaks off there.
        InvalidInput: (when made) the speed is no speed.
    """

    def __init__(self, response: RecordedResponse, *, speed: float = 1.0) -> None:
        self._response = response
        self._speed = checked_speed(speed)
        exact = b"true" if response.exact else b"false"
        self.headers: Headers = [*response.headers, (EXACT_HEADER, exact)]
        """The headers that it sends. Whoever serves it may set others instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if await _has_asked(receive):
                await self._answer(monotonic(), scope["method"], receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _answer(self, began: float, method: str, receive: Receive, send: Send) -> None:
        fault: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_leave_with_client, receive, tasks.cancel_scope)
            try:
                await self._play(began, method, send, tasks)
            except Exception as error:  # noqa: BLE001 - raised again outside of the group, which would wrap it
                fault = error
            tasks.cancel_scope.cancel()
        if fault is not None and not isinstance(fault, OSError):
            raise fault

    async def _play(self, began: float, method: str, send: Send, tasks: TaskGroup) -> None:
        response = self._response
        await self._wait(began, response.head_us)
        await send({"type": "http.response.start", "status": response.status, "headers": list(self.headers)})
        if method != "HEAD" and response.status not in _BODILESS:
            await self._play_body(began, send, tasks)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _play_body(self, began: float, send: Send, tasks: TaskGroup) -> None:
        to_come, pages = anyio.create_memory_object_stream[_Page | Exception](_PAGES_AHEAD)
        async with pages, to_come:
            tasks.start_soon(_read_ahead, self._response.messages(), to_come)
            async for page in pages:
                if isinstance(page, Exception):
                    raise page
                for offset_us, body in page:
                    await self._wait(began, offset_us)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        ending = self._response.ending
        await self._wait(began, ending.at_us)
        if ending.broken:
            raise ReplayBroken(ending)

    async def _wait(self, began: float, offset_us: int) -> None:
        """Wait until it is time for what happened at an offset."""
        if not self._speed:
            return
        pause = (offset_us - self._response.origin_us) / 1_000_000 / self._speed
        left = began + min(pause, _LONGEST_PAUSE) - monotonic()
        if left > 0:
            await anyio.sleep(left)


async def _read_ahead(messages: BodyMessages, to_come: ObjectSendStream[_Page | Exception]) -> None:
    """Hand on page after page; what fails is handed on as well, and raised by who sends."""
    pages = _pages(messages)
    async with to_come:
        try:
            while page := await run_sync(next, pages, None):
                await to_come.send(page)
        except Exception as error:  # noqa: BLE001 - raised by the one who takes it
            await to_come.send(error)


def _pages(messages: BodyMessages) -> Iterator[_Page]:
    page: _Page = []
    size = 0
    for (_, offset_us), body in messages:
        page.append((offset_us, body))
        size += len(body)
        if len(page) >= _PAGE_MESSAGES or size >= _PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


async def _has_asked(receive: Receive) -> bool:
    """Take in the request, as the app did before it answered. False: the client left before."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return False
        if not message.get("more_body", False):
            return True


async def _leave_with_client(receive: Receive, scope: anyio.CancelScope) -> None:
    """Nothing is sent to a client that is gone: not every server says so when it is sent to."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _live(receive: Receive, send: Send) -> None:
    """There is nothing to start or stop."""
    for _ in ("startup", "shutdown"):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
