"""Apps for processes of their own, configured by the environment: `uvicorn live_app:chat`, `uvicorn live_app:admin`.

The chat streams as its path says: `/stream/60/20` sends 60 frames, one each 20 ms; `/stream/60/20/300` thinks for
300 ms before. `/cpu` says how much CPU time its process has spent, in nanoseconds. The admin stands alone: it reads
what the chat's process records.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from chat_events import DONE, event
from starlette.types import Receive, Scope, Send

from tracekit import Recorder, TraceMiddleware
from tracekit_admin import Admin

recorder = Recorder.from_env()


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] == "/cpu":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(time.process_time_ns()).encode()})
        return
    _, _, count, pause_ms, *think_ms = scope["path"].split("/")
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await asyncio.sleep(sum(map(int, think_ms)) / 1000)
    for number in range(int(count)):
        await send({"type": "http.response.body", "body": event(number), "more_body": True})
        await asyncio.sleep(int(pause_ms) / 1000)
    await send({"type": "http.response.body", "body": DONE, "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


chat: Any = TraceMiddleware(_stream, recorder)

admin: Any = Admin(recorder)


async def both(scope: Scope, receive: Receive, send: Send) -> None:
    """The chat with the admin under `/tracekit`, in one process."""
    if scope["type"] == "http" and scope["path"].startswith("/tracekit/"):
        await admin({**scope, "root_path": "/tracekit"}, receive, send)
    else:
        await chat(scope, receive, send)
