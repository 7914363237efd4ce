"""`tracekit demo`: a chat app with a scripted model, recorded while you watch."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url

from tracekit import Recorder
from tracekit.cli.listening import address_of, listen
from tracekit_admin.demo.app import build_app, identify
from tracekit_admin.demo.check import check
from tracekit_admin.demo.server import serve, serving

__all__ = ["add_demo_command"]

_DATABASE = "tracekit-demo.db"
# The check need not wait as a reader would; the pauses stay, a tenth as long.
_CHECK_PACE = 0.1
_PIPE_COLUMNS = 130
_TOKEN_VARIABLE = "TRACEKIT_ADMIN_TOKEN"  # noqa: S105 - the name of the variable, not a token


def add_demo_command(cli: typer.Typer) -> None:
    """Add `demo` to the command line."""
    cli.command("demo")(demo)


def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.", min=0, max=65535)] = 8000,
    database_url: Annotated[str | None, typer.Option(help=f"Where to record.  [default: ./{_DATABASE}]")] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Send chats, compare what was recorded with what was sent, and stop.")
    ] = False,
) -> None:
    """Chat with a scripted model in the browser and see each answer recorded. Needs no network and no API key."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    if check_only:
        raise typer.Exit(0 if _checked(host, database_url, console) else 1)
    _run(host, port, database_url or f"sqlite:///{_DATABASE}", console)


def _run(host: str, port: int, database_url: str, console: Console) -> None:
    token = _admin_token()
    listener = listen(host, port)
    app = build_app(_recorder(database_url, token))
    console.print(_welcome(address_of(listener), token, database_url))
    serve(app, listener)


def _checked(host: str, database_url: str | None, console: Console) -> bool:
    """Run the check on a free port, in a folder of its own that stays for the export to be read."""
    folder = Path(tempfile.mkdtemp(prefix="tracekit-demo-"))
    token = _admin_token()
    recorder = _recorder(database_url or f"sqlite:///{folder / _DATABASE}", token)
    try:
        with serving(build_app(recorder, pace=_CHECK_PACE), listen(host, 0)) as address:
            passed = check(recorder, address, token, folder, console)
    finally:
        recorder.shutdown()
    verdict = "Everything was recorded as it was sent." if passed else "Something was not recorded as it was sent."
    console.print(Text(verdict, "bold green" if passed else "bold red"))
    return passed


def _recorder(database_url: str, token: str) -> Recorder:
    settings = {"task_trace_enabled": True, "task_trace_idle_timeout_ms": 3000}
    return Recorder(database_url, environment="dev", settings=settings, identify=identify, admin_token=token)


def _admin_token() -> str:
    """The token of the environment, or a new one."""
    return os.environ.get(_TOKEN_VARIABLE) or secrets.token_urlsafe(18)


def _welcome(address: str, token: str, database_url: str) -> Panel:
    rows = Table.grid(padding=(0, 2))
    rows.add_row(Text("Chat", "bold"), Text(address, "cyan"))
    rows.add_row(Text("Recorded answers", "bold"), Text(f"{address}tracekit/", "cyan"))
    rows.add_row(Text("Sign in with", "bold"), Text(token, "green"))
    rows.add_row(Text("From a shell", "bold"), Text(_curl(address, token)))
    rows.add_row(Text("Database", "bold"), Text(make_url(database_url).render_as_string(hide_password=True)))
    return Panel(rows, title="tracekit demo", subtitle="Ctrl-C ends it", expand=False, padding=(1, 2))


def _curl(address: str, token: str) -> str:
    return f"curl -H 'Authorization: Bearer {token}' {address}tracekit/api/task-trace"
