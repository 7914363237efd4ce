"""The command line in a process of its own: into a pipe, or on a terminal.

Starting Python and importing a database layer takes a second, and there are hundreds of runs. So one process imports
everything once, and each run is a fork of it: its own process with its own environment, output and exit status.
"""

from __future__ import annotations

import atexit
import json
import os
import pty
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

from tracekit.store import Database

__all__ = ["Done", "on", "tracekit", "tracekit_on_terminal", "url_of"]


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        """What it printed."""
        return self.raw.decode()

    @property
    def records(self) -> list[list[str]]:
        """The lines of a pipe as `cut` sees them."""
        return [line.split("\t") for line in self.out.splitlines()]


def url_of(database: Database) -> str:
    """The URL of a database, with its password."""
    return database.url.render_as_string(hide_password=False)


def on(database: Database, *arguments: str, **environment: str) -> Done:
    """Run `tracekit` on a database."""
    return tracekit(*arguments, TRACEKIT_DATABASE_URL=url_of(database), **environment)


def tracekit(*arguments: str, **environment: str) -> Done:
    """Run `tracekit` with its output in a pipe."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        status = _run(arguments, environment, str(out), str(err))
        return Done(status, out.read_bytes(), err.read_text(encoding="utf-8"))


def tracekit_on_terminal(*arguments: str, columns: int = 100, **environment: str) -> Done:
    """Run `tracekit` on a terminal; what it writes to standard error is in `out` too."""
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    status = _run(arguments, {"COLUMNS": str(columns)} | environment, name, name)
    os.close(theirs)
    out = _read_all(ours)
    os.close(ours)
    return Done(status, out.replace(b"\r\n", b"\n"), "")


def _read_all(terminal: int) -> bytes:
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # Linux says so when the other end is closed.
            piece = b""
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _run(arguments: tuple[str, ...], environment: Mapping[str, str], out: str, err: str) -> int:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "TASK_TRACE_"))}
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    request = {"arguments": arguments, "environment": ours | {"TERM": "xterm-256color"} | environment}
    server.stdin.write(json.dumps(request | {"out": out, "err": err}) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", __file__]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    main = import_module("tracekit.__main__").main
    for module, _ in import_module("tracekit.cli.commands").COMMANDS.values():
        import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line), main)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _become(request: Mapping[str, Any], main: Any) -> None:
    """Be a process that was started with these arguments and this environment. Never returns."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(request["environment"])
        for number, path in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOCTTY)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdout = TextIOWrapper(BufferedWriter(FileIO(1, "w", closefd=False)), "utf-8")
        sys.stderr = TextIOWrapper(BufferedWriter(FileIO(2, "w", closefd=False)), "utf-8", line_buffering=True)
        sys.argv = ["tracekit", *request["arguments"]]
        main()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve()
