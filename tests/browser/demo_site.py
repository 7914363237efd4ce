"""The demo as a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from admin_server import TOKEN
from python_processes import environment

__all__ = ["demo"]


@contextmanager
def demo(database_url: str, folder: Path) -> Iterator[str]:
    """The address of a demo that records into a database, until the block ends. Its token is that of the tests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "tracekit", "demo", "--port", str(port), "--database-url", database_url]
    env = environment(TRACEKIT_ADMIN_TOKEN=TOKEN)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder, env=env) as process:
        try:
            wait_until_served(f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def wait_until_served(url: str) -> None:
    """Wait until somebody answers there, for half a minute at most."""
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(url).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the demo does not start"
            time.sleep(0.05)
        else:
            return
