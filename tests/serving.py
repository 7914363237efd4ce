"""Real uvicorn servers for tests, in a thread or in a process, each on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

_PATIENCE_S = 20.0
"""Longest that anything here waits before the test fails."""


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    # Connections inherit it. asyncio sets it only where the socket names its protocol, and without it the second
    # small message of a response waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Served:
    """A running server. It counts the HTTP exchanges of its app, so that a test can wait for their end."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        self._app = app
        self._turn = threading.Condition()
        self._running = 0
        self.raised: list[BaseException | None] = []
        """What each exchange that is over raised out of the app, in the order of their ends."""
        listener = _listener()
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self._follow, interface="asgi3", log_config=None, access_log=False, **options)
        self.server = _Server(config)
        self._thread = threading.Thread(target=self._run, args=(listener,), name="test-server")

    async def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        error: BaseException | None = None
        with self._turn:
            self._running += 1
        try:
            await self._app(scope, receive, send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._turn:
                self._running -= 1
                self.raised.append(error)
                self._turn.notify_all()

    def _run(self, listener: socket.socket) -> None:
        try:
            self.server.run(sockets=[listener])
        except SystemExit:
            pass  # uvicorn's answer to an app whose start-up failed
        finally:
            self.server.listening.set()

    def start(self) -> None:
        """Start, and return when it listens or has failed to."""
        self._thread.start()
        assert self.server.listening.wait(_PATIENCE_S)

    def wait_for(self, exchanges: int) -> None:
        """Wait until so many exchanges are over, and no other is running."""
        with self._turn:
            ended = self._turn.wait_for(lambda: len(self.raised) >= exchanges and not self._running, _PATIENCE_S)
        assert ended, f"{len(self.raised)} exchanges are over and {self._running} run, {exchanges} were expected"

    def stop(self) -> None:
        """Ask the server to end, and wait until it has."""
        self.server.should_exit = True
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive()


@contextmanager
def serve(
    app: ASGIApp, *, http: str = "h11", lifespan: str = "auto", loop: str = "asyncio", grace: int = 5, **options: Any
) -> Iterator[Served]:
    """Serve an app while the block runs. `grace`: seconds that open streams get when the server stops."""
    served = Served(app, http=http, lifespan=lifespan, loop=loop, timeout_graceful_shutdown=grace, **options)
    served.start()
    try:
        yield served
    finally:
        served.stop()


class ServerProcess:
    """A running `uvicorn` command."""

    def __init__(self, app: str, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        with _listener() as listener:
            self.port: int = listener.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
            descriptor = listener.fileno()
            # The socket listens already, so a client that comes before the server is ready waits.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", app, "--fd", str(descriptor), "--log-level", "warning", *options],
                env=environment_of_tests(environment),
                pass_fds=[descriptor],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Send a signal, wait for the end, and return what the process printed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=_PATIENCE_S)
        return printed.decode("utf-8", "replace")


def environment_of_tests(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that imports modules of this folder."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **environment}


@contextmanager
def serve_in_process(app: str, *options: str, **environment: str) -> Iterator[ServerProcess]:
    """Run `uvicorn app` with further options while the block runs, or until `end` is called in it."""
    running = ServerProcess(app, options, environment)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


class RawClient:
    """An HTTP client that reads as slowly as it likes and leaves in whichever way."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(_PATIENCE_S)
        self._socket.connect(("127.0.0.1", port))
        self.read = bytearray()
        """All that was read, the head included."""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, path: str = "/chat", *, body: bytes = b"{}", **headers: str) -> None:
        """Send a request; `x_name="value"` adds a header `x-name`."""
        lines = [f"POST {path} HTTP/1.1", "host: test", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def read_until(self, mark: bytes) -> bytearray:
        """Read until `mark` has come."""
        while mark not in self.read:
            assert self._read_some(), f"the server closed the connection before {mark!r}: {self.read!r}"
        return self.read

    def read_to_end(self) -> bytearray:
        """Read until the server closes the connection, and close this end too."""
        while self._read_some():
            pass
        self._socket.close()
        return self.read

    def _read_some(self) -> bool:
        data = self._socket.recv(65536)
        self.read += data
        return bool(data)

    def close(self) -> None:
        """Leave in good order: FIN."""
        self._socket.close()

    def reset(self) -> None:
        """Leave at once: RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()
