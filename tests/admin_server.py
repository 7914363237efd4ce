"""A real server and a real recorder for tests of the admin app."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tracekit import Recorder
from tracekit_admin.api import Api
from tracekit_admin.auth import TokenCheck
from tracekit_admin.operations import Operation

__all__ = ["BEARER", "TOKEN", "Serve", "operations", "path_of", "recording_into", "serving", "wait_until"]

TOKEN = "the-admin-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Serve = Callable[..., str]
"""Serves an ASGI app until the test ends, with options of uvicorn; gives its address without a slash at the end."""


@contextlib.contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[str]:
    """A uvicorn server on a free port of this machine; gives its address without a slash at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()


@contextlib.contextmanager
def recording_into(url: str, **options: Any) -> Iterator[Recorder]:
    """A recorder whose database is ready; shut down at the end. It keeps the traces of tests, which are old."""
    recorder = Recorder(url, **{"settings": {"task_trace_retention_days": 0}, **options})
    try:
        recorder.start()
        wait_until(lambda: recorder.health().database.ready)
        yield recorder
    finally:
        recorder.shutdown()


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def operations() -> tuple[Operation, ...]:
    """Every operation of an admin that a token opens."""
    return Api(TokenCheck(TOKEN)).operations


def path_of(operation: Operation, trace_id: str = "0" * 32) -> str:
    """The path of an operation, with an id in its place."""
    return operation.path.replace("{trace_id}", trace_id)
