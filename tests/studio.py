"""Responses recorded by a real server and played back by another, for tests of replay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chunk_reader import Response, ask
from recorders import written
from serving import Served, serve

from tracekit import Recorder, TraceMiddleware
from tracekit.testing import replay_app
from tracekit.types import ASGIApp

__all__ = ["PARTS", "SSE", "Chat", "Studio", "opened_studio"]

PARTS = [b"data: o", b"ne\n\ndata: two\n\n", b": ping\n\n", b"data: \xff\x00three\r\n\r\n", b"data: unfinished"]
SSE = "text/event-stream"


class Chat:
    """An app that sends these parts, after these pauses, and then ends: well, with an error, or where it is `left`."""

    def __init__(
        self,
        parts: Sequence[bytes] = PARTS,
        *,
        pauses: Sequence[float] = (),
        ends: BaseException | str | None = None,
        status: int = 200,
        **headers: str,
    ) -> None:
        self._parts = parts
        self._pauses = [*pauses, *[0.0] * len(parts)]
        self._ends = ends
        self._status = status
        self._headers = {"content_type": SSE, **headers}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        for pause, part in zip(self._pauses, self._parts, strict=False):
            await asyncio.sleep(pause)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if isinstance(self._ends, BaseException):
            raise self._ends
        if self._ends == "left":
            await receive()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Stage:
    """An app that is another one at each path: one server for many tests."""

    def __init__(self) -> None:
        self._apps: list[ASGIApp] = []

    @property
    def count(self) -> int:
        """How many apps there are. Each is asked once."""
        return len(self._apps)

    def add(self, app: ASGIApp) -> str:
        """The path at which an app answers from now on."""
        self._apps.append(app)
        return f"/{len(self._apps) - 1}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._apps[int(scope["path"][1:])](scope, receive, send)


@dataclass
class Studio:
    """Where things are recorded and played back."""

    recorder: Recorder
    stages: dict[str, tuple[Stage, Served]]

    def record(self, app: ASGIApp) -> tuple[str, Response]:
        """The id of the trace of one request to an app, and what the client saw."""
        first = self._ask("recording", app)
        written(self.recorder)
        return self.recorder.store.list_traces(limit=1).items[0].trace_id, first

    def replay(self, trace_id: str, http: str = "h11", **options: Any) -> Response:
        """What a client sees of the replay."""
        return self._ask(http, replay_app(trace_id, store=self.recorder.store, **options))

    def _ask(self, stage: str, app: ASGIApp) -> Response:
        apps, served = self.stages[stage]
        path = apps.add(app)
        answer = ask(served.port, path)
        served.wait_for(apps.count)
        return answer


@contextmanager
def opened_studio(recorder: Recorder) -> Iterator[Studio]:
    """A studio whose servers run while the block does."""
    recorded, h11, httptools = Stage(), Stage(), Stage()
    with (
        serve(TraceMiddleware(recorded, recorder, include=["/*"])) as recording_server,
        serve(h11) as h11_server,
        serve(httptools, http="httptools") as httptools_server,
    ):
        servers = {
            "recording": (recorded, recording_server),
            "h11": (h11, h11_server),
            "httptools": (httptools, httptools_server),
        }
        yield Studio(recorder, servers)
