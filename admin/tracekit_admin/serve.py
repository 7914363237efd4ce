"""`tracekit serve`: the admin app alone, over a database that others record into."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import typer
import uvicorn
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tracekit.cli import DatabaseUrl
from tracekit.cli.listening import address_of, listen
from tracekit.cli.opening import open_database
from tracekit.recorder import Recorder
from tracekit_admin.app import Admin

__all__ = ["add_serve_command", "serve"]

_TOKEN_VARIABLE = "TRACEKIT_ADMIN_TOKEN"  # noqa: S105 - the name of the variable, not a token
_RETENTION_VARIABLE = "TASK_TRACE_RETENTION_DAYS"

# Seconds that an export may still take when the server is told to stop.
_GRACE = 3


def add_serve_command(cli: typer.Typer) -> None:
    """Add `serve` to the command line."""
    cli.command("serve")(serve)


def serve(
    database_url: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.", min=0, max=65535)] = 8800,
) -> None:
    """Serve the admin API and pages over an existing database, until told to stop. Records nothing."""
    with open_database(database_url) as database:
        url = database.url
    given_token = os.environ.get(_TOKEN_VARIABLE)
    token = given_token or secrets.token_urlsafe(18)
    recorder = Recorder(
        url.render_as_string(hide_password=False), admin_token=token, role="admin", settings=_first_settings()
    )
    with listen(host, port) as listener:
        address = address_of(listener)
        Console(highlight=False).print(_welcome(address, None if given_token else token, str(database)))
        config = uvicorn.Config(
            Admin(recorder), log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            recorder.shutdown()


def _first_settings() -> dict[str, int]:
    """How long traces are kept the app's environment may say, which this process does not have. So it deletes
    nothing on its own account, but by what is stored as a setting or stands in its own environment."""
    return {} if _RETENTION_VARIABLE in os.environ else {"task_trace_retention_days": 0}


def _welcome(address: str, token: str | None, database: str) -> Panel:
    rows = Table.grid(padding=(0, 2))
    rows.add_row(Text("Traces", "bold"), Text(address, "cyan"))
    rows.add_row(Text("Sign in with", "bold"), Text(token or f"the token in {_TOKEN_VARIABLE}", "green"))
    rows.add_row(Text("Database", "bold"), Text(database))
    return Panel(rows, title="tracekit serve", subtitle="Ctrl-C ends it", expand=False, padding=(1, 2))
