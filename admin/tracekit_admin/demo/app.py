"""The demo's chat app: one page, one endpoint for each wire format, and tracekit mounted as any app would mount it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tracekit import Actor, Recorder, current_trace
from tracekit.types import Scope
from tracekit_admin.demo.model import FORMATS, WireFormat, stream
from tracekit_admin.demo.script import Answer, answer_to, read_conversation, weather_in
from tracekit_admin.install import install

__all__ = ["build_app", "identify"]

_STATIC = Path(__file__).parent / "static"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


def identify(scope: Scope) -> Actor:
    """The demo listens on this machine only, so whoever asks is its admin."""
    return Actor("you", is_admin=True)


def build_app(recorder: Recorder, *, pace: float = 1.0) -> Starlette:
    """The chat app with the recorder and the admin API installed. `pace` stretches the model's pauses."""
    chats = [_Chat(wire_format, pace) for wire_format in FORMATS.values()]
    app = Starlette(
        routes=[
            Route("/", _page),
            *(Route(chat.wire_format.path, chat.answer, methods=["POST"]) for chat in chats),
            Route("/api/tools/get_weather", _get_weather),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ]
    )
    install(app, recorder=recorder)
    return app


async def _page(request: Request) -> Response:
    return FileResponse(_STATIC / "chat.html", headers=_PAGE_HEADERS)


async def _get_weather(request: Request) -> Response:
    return JSONResponse(weather_in(request.query_params.get("city", "Lisbon")).result)


class _Chat:
    """The endpoint of one wire format."""

    def __init__(self, wire_format: WireFormat, pace: float) -> None:
        self.wire_format = wire_format
        self._pace = pace

    async def answer(self, request: Request) -> Response:
        """Stream the model's answer; a request that is no conversation is told so with 400."""
        try:
            body = await request.json()
            answer = answer_to(read_conversation(body.get("messages") if isinstance(body, dict) else None))
        except (ValueError, RecursionError) as error:
            return JSONResponse({"error": {"type": "invalid_request_error", "message": str(error)}}, 400)
        return StreamingResponse(
            self._spoken(answer), media_type="text/event-stream", headers={**self.wire_format.headers, **_NO_CACHE}
        )

    async def _spoken(self, answer: Answer) -> AsyncIterator[bytes]:
        sent = 0
        async for frame in stream(self.wire_format, answer, pace=self._pace):
            sent += 1
            yield frame
        # What an app says of its own work stands in the trace between the frames.
        current_trace().log("persist.progress", saved_frames=sent, message_id=answer.id)


_NO_CACHE = {"Cache-Control": "no-store"}
