"""`tracekit prune`: delete old traces now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tracekit.cli.opening import open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import print_json, print_sentence, progress_bar
from tracekit.cli.prune_workspaces import prune_workspaces
from tracekit.config import InitialSettings, load
from tracekit.errors import InvalidInput
from tracekit.human_units import counted, size_text
from tracekit.settings_store import SettingsStore
from tracekit.store import TraceStore

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_DAY_US = 86_400 * 1_000_000


@app.command()
def prune(
    database_url: DatabaseUrl = None,
    older_than_days: Annotated[
        int | None,
        typer.Option(min=0, max=36_500, help="Traces that began so many days ago or earlier; left out: the setting."),
    ] = None,
    garbage: Annotated[
        bool,
        typer.Option("--garbage", help="Instead, workspaces whose trace is gone or had no event for 7 days."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old traces now, in small batches that keep nobody waiting. Running ones stay."""
    with open_store(database_url) as store:
        if garbage:
            prune_workspaces(store, older_than_days, dry_run=dry_run, as_json=as_json)
            return
        days = _retention_days(store) if older_than_days is None else older_than_days
        before = time.time_ns() // 1000 - days * _DAY_US
        found = store.estimate_deletion(before)
        traces = found.traces if dry_run else _delete(store, before, found.traces)
    if as_json:
        print_json({"dry_run": dry_run, "older_than_days": days, "traces": traces, "bytes": found.bytes})
        return
    verb = "would delete" if dry_run else "deleted"
    print_sentence(f"{verb} {counted(traces, 'trace')} older than {counted(days, 'day')} ({size_text(found.bytes)})")


def _delete(store: TraceStore, before: int, expected: int) -> int:
    deleted = 0
    with progress_bar("deleting") as progress:
        task = progress.add_task("", total=expected)
        for count in store.delete_before(before):
            deleted += count
            progress.update(task, completed=deleted)
    return deleted


def _retention_days(store: TraceStore) -> int:
    initial, _ = load(InitialSettings)
    settings = SettingsStore(store.database, initial)
    settings.refresh()
    days = settings.current.task_trace_retention_days
    if days == 0:
        raise InvalidInput("the settings keep all traces (task_trace_retention_days is 0): give --older-than-days")
    return days
