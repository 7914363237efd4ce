"""`tracekit failures`: what failed most, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from tracekit.cli.opening import open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, is_terminal, print_lines, print_sentence
from tracekit.documents import iso, record_document
from tracekit.human_units import moment_text
from tracekit.store.question_records import Failure
from tracekit.terminal_text import fit

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_COLUMNS = (
    Column("Count", right=True, whole=True),
    Column("Of", rank=4),
    Column("Reason", whole=True),
    Column("Layer"),
    Column("Last (UTC)", rank=2),
    Column("Class", rank=3),
    Column("What to do", rank=1),
    Column("Latest trace", whole=True),
)


@app.command()
def failures(
    database_url: DatabaseUrl = None,
    hours: Annotated[float, typer.Option("--hours", help="So far back.")] = 24,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show for which reasons, and in which layers, most steps and traces failed, with the latest of each."""
    with open_store(database_url) as store:
        found = store.top_failures(hours, limit=limit)
    if found.items or as_json or not is_terminal():
        print_lines(_COLUMNS, [_line(item) for item in found.items], as_json=as_json)
    else:
        print_sentence(f"nothing has failed in the last {hours:g} h")


def _line(item: Failure) -> Line:
    return Line(
        document=record_document(item),
        fields=_fields(item),
        cells=_cells(item) if is_terminal() else (),
        styles={0: "bold", 2: "bold red", 7: "dim"},
    )


def _fields(item: Failure) -> tuple[object, ...]:
    return (
        item.count,
        item.kind,
        item.reason_code,
        item.layer,
        iso(item.last_at),
        item.reason_class,
        item.advice,
        item.sample.trace_id if item.sample else None,
        item.sample.span_id if item.sample else None,
    )


def _cells(item: Failure) -> tuple[str, ...]:
    return (
        f"{item.count:,}",
        f"{item.kind}s",
        fit(item.reason_code or "(none)", 28),
        fit(item.layer or "–", 20),
        moment_text(item.last_at)[5:19],
        item.reason_class,
        fit(item.advice or "", 90),
        item.sample.trace_id if item.sample else "",
    )
