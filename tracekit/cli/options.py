"""Options that many commands share, as annotations for their parameters. Plugins may use them too."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AsJson", "DatabaseUrl", "TraceName"]

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        "-d",
        envvar="TRACEKIT_DATABASE_URL",
        show_envvar=True,
        help="The database: sqlite:///file or postgresql://...; tracekit.db in this folder if left out.",
        show_default=False,
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]

TraceName = Annotated[
    str, typer.Argument(metavar="ID", help="A trace id, or `last` for the newest trace.", show_default=False)
]
