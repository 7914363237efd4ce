"""The ASGI middleware: lets every message through unchanged, and notes what went by.

Where it differs from doing nothing at all, on purpose:

1. `http.response.start` of a recorded response gets one more header, `X-Trace-Id`, in a copy of the message. With
   `response_header=None` the app's own object goes through. A copy goes through too where its headers can be read
   only once.
2. The clock is read before a body message is forwarded, so that the time a slow client blocks `send` can be told.
   Everything else is noted after the message has gone.
3. A body that is not `bytes` is copied before it is forwarded, because the app may reuse its buffer afterwards.
4. `lifespan.startup.complete` is held back until the recorder has read its settings, 3 seconds at most, and
   `lifespan.shutdown.complete` until what was captured is written, within the shutdown timeout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tracekit.context import enter, outer_trace
from tracekit.errors import ConfigurationError
from tracekit.header_names import response_header_name
from tracekit.responder import Responder, note_fault
from tracekit.trace import HttpHead
from tracekit.types import ASGIApp, Message, Receive, Scope, Send
from tracekit.watching import PathRules

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["SCOPE_KEY", "TraceMiddleware"]

SCOPE_KEY = "tracekit.trace"
"""Where the handle of a request's trace stands in its ASGI scope."""

_DEFAULT = "default"


class TraceMiddleware:
    """Records the streamed responses of an ASGI app.

    Args:
        app: the app to record.
        recorder: where recordings go.
        include: path patterns that are recorded whatever they answer, also when they fail before answering.
        exclude: path patterns that are never recorded.
        response_header: the response header that carries the trace id, None for none. Left out, the recorder's
            option holds (`TRACEKIT_RESPONSE_HEADER`).

    Patterns are shell-style globs over the whole path, or compiled regular expressions.

    Raises:
        ConfigurationError: `response_header` is no name of a header, or one that has a meaning of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        recorder: Recorder,
        *,
        include: Iterable[str | re.Pattern[str]] | None = None,
        exclude: Iterable[str | re.Pattern[str]] | None = None,
        response_header: str | None = _DEFAULT,
    ) -> None:
        self.app = app
        self.recorder = recorder
        self._paths = PathRules(include, exclude)
        self._header = _header_name(
            recorder.options.response_header if response_header == _DEFAULT else response_header
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            responder = self._responder(scope, receive, send)
            if responder is not None:
                return await responder()
        elif kind == "lifespan":
            send = _lifespan_send(self.recorder, send)
        return await self.app(scope, receive, send)

    def _responder(self, scope: Scope, receive: Receive, send: Send) -> Responder | None:
        """Who looks at a request; None where nobody does."""
        try:
            if not self.recorder.watching or SCOPE_KEY in scope or self._paths.excluded(scope["path"]):
                return None
            trace = self.recorder.open_trace(http=_head(scope), outer=outer_trace())
            enter(trace)
            responder = Responder(
                scope,
                receive,
                send,
                app=self.app,
                recorder=self.recorder,
                trace=trace,
                included=self._paths.included(scope["path"]),
                header=self._header,
            )
            scope[SCOPE_KEY] = trace
        except Exception as error:  # noqa: BLE001 - recording never reaches the chat
            note_fault(self.recorder, error)
            return None
        return responder


def _header_name(given: str | None) -> bytes | None:
    try:
        return response_header_name(given).lower().encode("ascii") if given else None
    except ValueError as error:
        raise ConfigurationError(f"response_header: {error}") from None


def _lifespan_send(recorder: Recorder, send: Send) -> Send:
    async def send_and_follow(message: Message) -> None:
        try:
            if message["type"] == "lifespan.startup.complete":
                await recorder.started()
            elif message["type"] == "lifespan.shutdown.complete":
                await recorder.drained()
        except Exception as error:  # noqa: BLE001 - recording never keeps an app from starting or ending
            note_fault(recorder, error)
        await send(message)

    return send_and_follow


def _head(scope: Scope) -> HttpHead:
    client = scope.get("client")
    return HttpHead(
        method=scope["method"],
        path=scope["path"],
        query_string=scope.get("query_string", b""),
        headers=list(scope.get("headers", ())),
        client=f"{client[0]}:{client[1]}" if client else None,
    )
