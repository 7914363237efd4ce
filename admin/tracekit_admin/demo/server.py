"""A real server for the demo: uvicorn on a socket that listens already."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from tracekit.types import ASGIApp
from tracekit_admin.demo.client import Address

__all__ = ["serve", "serving"]

_START_SECONDS = 15.0
_STOP_SECONDS = 10.0
# How long a stream that is still being written may keep the server from stopping.
_GRACE_SECONDS = 2


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until the process is told to stop (Ctrl-C, SIGTERM)."""
    # uvicorn stops in good order and then raises the signal again.
    with suppress(KeyboardInterrupt):
        _server(app, "warning").run(sockets=[listener])


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[Address]:
    """Serve on a thread while the context is open; gives the address.

    Raises:
        TimeoutError: the server does not start.
    """
    # The check makes the app fail on purpose; uvicorn would write its traceback between the results.
    server = _server(app, "critical")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="tracekit-demo-server")
    thread.start()
    try:
        _await_start(server, thread)
        host, port = listener.getsockname()[:2]
        yield host, port
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)


def _server(app: ASGIApp, log_level: str) -> uvicorn.Server:
    config = uvicorn.Config(app, log_level=log_level, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS)
    return uvicorn.Server(config)


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise TimeoutError(f"the demo's server did not start within {_START_SECONDS:.0f} s")
        time.sleep(0.01)
