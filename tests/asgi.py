"""ASGI apps driven by hand: the server's side of one exchange, step by step, with a fault at any of them.

A step is one call of `receive` or `send`. Before each the event loop gets a turn, so every step is a place where a
task can be cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

CANCEL = "cancel"
"""A fault: the server cancels the task that runs the app."""


def http_scope(
    path: str = "/chat",
    *,
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] = (),
    query: bytes = b"",
    spec_version: str = "2.3",
    **more: Any,
) -> Scope:
    """The scope of an HTTP request as uvicorn would make it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
        **more,
    }


def request(body: bytes = b"", *, more_body: bool = False) -> Message:
    """A message that brings a request body."""
    return {"type": "http.request", "body": body, "more_body": more_body}


def start(content_type: str = "text/event-stream", *, status: int = 200, **headers: str) -> Message:
    """The head of a response; `x_name="value"` adds a header `x-name`."""
    named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


def body(data: Any = b"", *, more_body: bool = True) -> Message:
    """A message that sends a part of the response body."""
    return {"type": "http.response.body", "body": data, "more_body": more_body}


END: Message = {"type": "http.response.body", "body": b"", "more_body": False}
"""The last message of a response that holds nothing more."""


def streams(*messages: Message) -> ASGIApp:
    """An app that reads the request and sends these messages, the very objects."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        for message in messages:
            await send(message)

    return app


@dataclass
class Wire:
    """The server's side of one exchange.

    `incoming` is what `receive` gives, in order; after that it waits until the client leaves. `faults` maps the number
    of a step, from 1, to an exception that is raised there, or to `CANCEL`. At step `leaves_at` the client is gone:
    `receive` then says so, and `send` raises OSError where the spec version is 2.4 or later, or does nothing.
    """

    incoming: Iterable[Message] = ()
    faults: Mapping[int, BaseException | str] = field(default_factory=dict)
    leaves_at: int | None = None
    raises_on_send: bool = False
    sent: list[Message] = field(default_factory=list)
    received: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self._waiting = list(self.incoming)
        self._left = asyncio.Event()
        self.task: asyncio.Task[Any] | None = None
        """The task that the server has made for the app; the app may have made others."""

    async def receive(self) -> Message:
        """What the server has for the app."""
        self.received += 1
        await self._step()
        if self._waiting and not self._left.is_set():
            return self._waiting.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """What the app has for the client."""
        await self._step()
        if not self._left.is_set():
            self.sent.append(message)
        elif self.raises_on_send:
            raise OSError("the client is gone")

    def leave(self) -> None:
        """The client goes away now."""
        self._left.set()

    async def _step(self) -> None:
        self.steps += 1
        if self.steps == self.leaves_at:
            self.leave()
        fault = self.faults.get(self.steps)
        if fault == CANCEL:
            assert self.task is not None
            self.task.cancel("by the server")
        elif isinstance(fault, BaseException):
            raise fault
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Outcome:
    """What became of one exchange."""

    sent: list[Message]
    raised: BaseException | None
    steps: int
    received: int
    tasks: int
    """Tasks that run after the app has returned, besides the one that ran it."""
    cancelling: int
    """Cancellations of that one which nobody has taken back."""

    @property
    def body(self) -> bytes:
        """All body messages joined."""
        return b"".join(bytes(message.get("body", b"")) for message in self.sent if "body" in message["type"])

    def header(self, name: str) -> str | None:
        """A response header, by its lower-case name."""
        found = [value for key, value in self.sent[0]["headers"] if key == name.encode()] if self.sent else []
        return found[0].decode() if found else None


async def exchange(app: ASGIApp, wire: Wire, scope: Scope | None = None) -> Outcome:
    """Run an app as a server does, in a task of its own, and catch whatever it raises."""
    task = wire.task = asyncio.create_task(_call(app, wire, scope or http_scope()))
    raised, cancelling = await task
    for _ in range(3):
        # The event loop closes generators that were left in the middle, in tasks of its own.
        await asyncio.sleep(0)
    others = asyncio.all_tasks() - {task, asyncio.current_task()}
    return Outcome(wire.sent, raised, wire.steps, wire.received, len(others), cancelling)


async def _call(app: ASGIApp, wire: Wire, scope: Scope) -> tuple[BaseException | None, int]:
    task = asyncio.current_task()
    assert task is not None
    try:
        await app(scope, wire.receive, wire.send)
    except BaseException as error:
        return error, task.cancelling()
    return None, task.cancelling()


def run(app: ASGIApp, wire: Wire | None = None, scope: Scope | None = None) -> Outcome:
    """Run one exchange in an event loop of its own; without a wire, with an empty request."""

    async def main() -> Outcome:
        return await exchange(app, wire or Wire([request()]), scope)

    return asyncio.run(main())
