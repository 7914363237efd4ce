"""`tracekit restore`: a backup put back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracekit.cli.opening import open_database
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import print_json, print_sentence
from tracekit.errors import InvalidInput
from tracekit.store.backups import Backups

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    file: Annotated[Path | None, typer.Argument(help="The backup; left out: the newest whole one.")] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a SQLite database what a backup is. What stood there is kept beside it."""
    with open_database(database_url, may_be_new=True) as database:
        backups = Backups(database)
        chosen = file or backups.newest_good()
        if chosen is None:
            raise InvalidInput(f"there is no whole backup in {backups.folder}")
        kept = backups.restore(chosen)
    if as_json:
        print_json({"restored": str(chosen), "kept": None if kept is None else str(kept)})
    else:
        print_sentence(f"restored from {chosen}" + (f"; what was there is kept as {kept}" if kept else ""))
