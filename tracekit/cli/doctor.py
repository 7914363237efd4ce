"""`tracekit doctor`: look for what is wrong, and say how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from tracekit.cli.doctor_checks import CHECKS, FIXES, Check, Finding
from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, print_lines
from tracekit.cli.plugin_host import plugin_host
from tracekit.config import InitialSettings, Options, load
from tracekit.errors import StoreError, TracekitError
from tracekit.human_units import counted
from tracekit.plugins import PluginFacts
from tracekit.store import Database

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_COLUMNS = tuple(map(Column, ("Check", "State", "Found", "What to do")))


@app.command()
def doctor(
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            "--rebuild",
            help="Mend what can be: counters, endings and steps of ended traces are made anew from their events, and "
            "rows without a trace are deleted.",
        ),
    ] = False,
) -> None:
    """Look for what is wrong, and say how to mend it. Exits 1 if something is."""
    findings = list(_findings(database_url, more=FIXES if fix else ()))
    styles = {"ok": "green", "note": "yellow", "wrong": "bold red"}
    lines = [
        Line(
            asdict(finding),
            (finding.check, finding.state, finding.found, finding.advice),
            styles={1: styles[finding.state]},
        )
        for finding in findings
    ]
    print_lines(_COLUMNS, lines, as_json=as_json)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _findings(database_url: str | None, more: Sequence[Check]) -> Iterator[Finding]:
    options, problems = load(Options, database_url=database_url)
    _, further = load(InitialSettings)
    plugins = plugin_host()
    yield from _environment([*problems, *further, *plugins.problems])
    yield from _plugins(plugins.loaded)
    try:
        database = Database(options.database_url)
    except TracekitError as error:
        yield Finding("database", "wrong", str(error), "correct TRACEKIT_DATABASE_URL or --database-url")
        return
    try:
        yield from _database(database, more)
    finally:
        database.close()


def _environment(problems: list[str]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("environment", "wrong", problem, "correct or remove the variable")
    if not problems:
        yield Finding("environment", "ok", "no variable of tracekit is wrong")


def _plugins(loaded: Sequence[PluginFacts]) -> Iterator[Finding]:
    for plugin in loaded:
        if plugin.error and plugin.error != "switched off":
            yield Finding("plugins", "wrong", f"{plugin.name}: {plugin.error}", "mend, remove or switch off the plugin")
    yield Finding("plugins", "ok", f"{counted(sum(not plugin.error for plugin in loaded), 'plugin')} loaded")


def _database(database: Database, more: Sequence[Check]) -> Iterator[Finding]:
    path = database.path()
    if path is not None and not path.exists():
        yield Finding("database", "wrong", f"there is no file {path}", "start the app once, or run: tracekit migrate")
        return
    for check in (*CHECKS, *more):
        try:
            yield from check(database)
        except StoreError as error:
            yield Finding("database", "wrong", f"it cannot be used: {error}", _WHERE[database.dialect])
            return


_WHERE = {
    "sqlite": "see that the file is a database, whole, and may be read and written by this user",
    "postgresql": "see that the server runs and that address, user and password are right",
}
