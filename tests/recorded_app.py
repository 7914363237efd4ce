"""An app that runs in processes of its own: `uvicorn recorded_app:app`, configured by the environment alone.

It is plain ASGI, so that nothing but the server and the middleware stands between it and the socket. Its paths:

- `/count/3` sends three numbered events and ends.
- `/speak/300` says so many words as a model does, sees to it that they are stored, sends a comment and waits.
- `/open/3` sends three, sees to it that they are stored, sends a comment `: stored`, and waits for the end.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from chat_events import event
from starlette.types import Receive, Scope, Send

from tracekit import Recorder, TraceMiddleware

recorder = Recorder.from_env()


def words(number: int) -> bytes:
    """A piece of an answer, in the form of Chat Completions."""
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": f"word{number} "}}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


async def chat(scope: Scope, receive: Receive, send: Send) -> None:
    """The app."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await _answer(scope["path"], receive, send)


async def _answer(path: str, receive: Receive, send: Send) -> None:
    _, action, count = path.split("/")
    await receive()
    headers = [(b"content-type", b"text/event-stream"), (b"x-process", str(os.getpid()).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(int(count)):
        await _say(send, event(number) if action != "speak" else words(number))
    if action in ("open", "speak"):
        await asyncio.to_thread(recorder.flush, 10)
        await _say(send, b": stored\n\n")
        await asyncio.Event().wait()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


async def _say(send: Send, event: bytes) -> None:
    await send({"type": "http.response.body", "body": event, "more_body": True})


app: Any = TraceMiddleware(chat, recorder)
