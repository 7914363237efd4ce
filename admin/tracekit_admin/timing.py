"""How long the admin takes to answer, for health and its alert."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracekit.types import ASGIApp, Message, Receive, Scope, Send
from tracekit_admin.guard import STATIC
from tracekit_admin.places import place_in_mount

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["Timed"]

_NO_CONTENT = 204


class Timed:
    """ASGI middleware that notes the time from a whole request to the beginning of its whole answer.

    What a slow client takes to send or to read is left out, and so are answers without a length: live streams, replays
    and exports last as long as they last.
    """

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or place_in_mount(scope).startswith(f"{STATIC}/"):
            return await self._app(scope, receive, send)
        began = time.perf_counter()

        async def receive_noting() -> Message:
            nonlocal began
            message = await receive()
            if message["type"] == "http.request":
                began = time.perf_counter()
            return message

        async def send_noting(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_whole(message):
                self._recorder.api_times.note((time.perf_counter() - began) * 1000)
            await send(message)

        return await self._app(scope, receive_noting, send_noting)


def _is_whole(start: Message) -> bool:
    """Whether an answer says how long it is."""
    return start["status"] == _NO_CONTENT or any(name == b"content-length" for name, _ in start["headers"])
