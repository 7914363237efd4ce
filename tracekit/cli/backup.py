"""`tracekit backup`: a copy of a SQLite database while it is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracekit.cli.opening import open_database
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import print_json, print_sentence
from tracekit.human_units import size_text
from tracekit.store.backups import Backups

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    database_url: DatabaseUrl = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file to make; left out: one more beside the others.")
    ] = None,
    keep: Annotated[int, typer.Option(min=1, max=1000, help="How many of those beside the database stay.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Copy a SQLite database as it stands at one moment, while others write, and look whether the copy is whole."""
    with open_database(database_url) as database:
        made = Backups(database).make(keep, to)
    if as_json:
        print_json({"file": str(made), "bytes": made.stat().st_size})
    else:
        print_sentence(f"{made} ({size_text(made.stat().st_size)})")
