"""The response of a live stream: lasts as long as its reader reads, and may read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent

from tracekit.types import Receive, Scope, Send

__all__ = ["LiveResponse"]

logger = logging.getLogger("tracekit.admin")

# Seconds between two comments that keep proxies from closing a silent connection.
_KEEPALIVE_S = 15

CHECK_S = 30.0
"""Seconds between two looks at whether the reader may still read."""

_STALLED_S = 60.0
"""A reader that takes nothing for so long is let go; it can come back with its last event id."""

_FAREWELL_S = 5.0


class _Revoked(Exception):
    """The reader has no permission any more."""


class LiveResponse(EventSourceResponse):
    """Sends messages, which are whole server-sent events, until they end or `may_read` answers None or raises."""

    def __init__(self, messages: AsyncIterator[bytes], may_read: Callable[[], Awaitable[object | None]]) -> None:
        super().__init__(
            messages,
            ping=_KEEPALIVE_S,
            ping_message_factory=lambda: ServerSentEvent(comment="keepalive", sep="\n"),
            sep="\n",
            send_timeout=_STALLED_S,
            data_sender_callable=self._keep_checking,
        )
        self._may_read = may_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader."""
        try:
            await super().__call__(scope, receive, send)
        except _Revoked:
            logger.info("a live stream ends: its reader has no permission any more")
            with anyio.move_on_after(_FAREWELL_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            logger.info("a live stream ends: its reader is gone, or takes nothing")

    async def _keep_checking(self) -> None:
        while True:
            await anyio.sleep(CHECK_S)
            try:
                allowed = await self._may_read() is not None
            # Whatever happens at the door, it is closed.
            except Exception as error:
                raise _Revoked from error
            if not allowed:
                raise _Revoked
