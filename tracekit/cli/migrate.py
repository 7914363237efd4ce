"""`tracekit migrate`: the database's tables brought up to this version."""

from __future__ import annotations

import typer

from tracekit.cli.opening import open_database
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import print_json, print_sentence, progress_bar
from tracekit.store import Database
from tracekit.store.schema import SchemaState, state, upgrade
from tracekit.terminal_text import one_line

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def migrate(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database's tables up to date, or make them. Does nothing where they are."""
    with open_database(database_url, may_be_new=True) as database:
        path = database.path()
        before = state(database) if path is None or path.exists() else None
        after, steps = _upgrade(database)
    was = None if before is None else before.current
    if as_json:
        print_json({"before": was, "after": after.current, "steps": steps})
    elif was == after.current:
        print_sentence(f"the schema is up to date ({after.current})")
    else:
        print_sentence(f"the schema was {was or 'missing'} and is now {after.current}")


def _upgrade(database: Database) -> tuple[SchemaState, list[str]]:
    steps: list[str] = []
    with progress_bar("migrating") as progress:
        task = progress.add_task("", total=None)

        def note(step: str) -> None:
            steps.append(step)
            progress.update(task, advance=1, description=one_line(step))

        return upgrade(database, on_step=note), steps
