"""`tracekit prune --garbage`: remove the workspaces that nobody needs any more."""

from __future__ import annotations

import sys

import typer

from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.opening import workspaces
from tracekit.cli.output import print_json, print_sentence
from tracekit.errors import InvalidInput, NotFound, WrongState
from tracekit.garbage import Garbage, GarbageCollector
from tracekit.human_units import counted, size_text
from tracekit.store import TraceStore
from tracekit.terminal_text import one_line

__all__ = ["prune_workspaces"]


def prune_workspaces(store: TraceStore, older_than_days: int | None, *, dry_run: bool, as_json: bool) -> None:
    """Remove all garbage, or only say what would be removed; what cannot be is told on standard error.

    Raises:
        InvalidInput: no folder holds workspaces, or an age is given.
        WrongState: the folder that holds them cannot be read.
        typer.Exit: something could not be removed.
    """
    if older_than_days is not None:
        raise InvalidInput("--older-than-days is about traces: leave it out with --garbage")
    found = workspaces()
    if found.root is None:
        raise InvalidInput("TRACEKIT_WORKSPACE_DIR is not set: it names the folder that holds the workspaces")
    collector = GarbageCollector(store, found)
    garbage = list(collector.all())
    gone = garbage if dry_run else [item for item in garbage if _removed(collector, item)]
    size = sum(item.bytes for item in gone)
    if as_json:
        print_json({"dry_run": dry_run, "workspaces": len(gone), "bytes": size, "kept": len(garbage) - len(gone)})
    else:
        verb = "would delete" if dry_run else "deleted"
        print_sentence(f"{verb} {counted(len(gone), 'workspace')} ({size_text(size)})")
    if len(gone) < len(garbage):
        raise typer.Exit(ExitCode.FAILED)


def _removed(collector: GarbageCollector, item: Garbage) -> bool:
    try:
        collector.remove(item.trace_id)
    except (NotFound, WrongState) as error:
        sys.stderr.write(f"tracekit: {one_line(str(error))}\n")
        return False
    return True
