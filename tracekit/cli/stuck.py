"""`tracekit stuck`: what has given no sign, where, for how long, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.opening import open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, is_terminal, print_lines, print_sentence
from tracekit.cli.running import idle_timeout_ms, process_text, title
from tracekit.documents import iso, record_document
from tracekit.human_units import duration_text
from tracekit.store.question_records import StuckStep
from tracekit.terminal_text import fit

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_COLUMNS = (
    Column("Stuck for", right=True, whole=True),
    Column("Step"),
    Column("Layer", rank=3),
    Column("Why"),
    Column("Last good event", rank=2),
    Column("Process", rank=4),
    Column("What", rank=1),
    Column("Id", whole=True),
)


@app.command()
def stuck(
    database_url: DatabaseUrl = None,
    minutes: Annotated[
        float, typer.Option("--minutes", "-m", help="Without a sign for so long; parts of one are taken.")
    ] = 5,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="At most so many.")] = 50,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if something is stuck.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what has given no sign for minutes, the longest first: the step, its last event, and what may be why."""
    with open_store(database_url) as store:
        found = store.stuck(minutes, limit=limit, idle_timeout_ms=idle_timeout_ms(store))
    if found.items or as_json or not is_terminal():
        print_lines(_COLUMNS, [_line(item) for item in found.items], as_json=as_json)
    else:
        print_sentence(f"nothing has been without a sign for {duration_text(found.threshold_us)}")
    if found.has_more and is_terminal() and not as_json:
        print_sentence("there is more: --limit shows it")
    if check and found.items:
        raise typer.Exit(ExitCode.FAILED)


def _line(item: StuckStep) -> Line:
    return Line(
        document=record_document(item),
        fields=_fields(item),
        cells=_cells(item) if is_terminal() else (),
        styles={0: "bold red", 6: "dim", 7: "dim"},
    )


def _fields(item: StuckStep) -> tuple[object, ...]:
    trace, step, owner, good = item.trace, item.step, item.owner, item.last_good_event
    return (
        trace.trace_id,
        item.stuck_us,
        iso(item.since_at),
        step.step_name if step else None,
        step.layer if step else None,
        step.span_id if step else None,
        step.status if step else None,
        "; ".join(cause.text for cause in item.causes),
        good.event_type if good else None,
        item.input_preview,
        owner.host if owner else None,
        owner.pid if owner else None,
        title(trace),
        trace.session_id,
        trace.actor,
    )


def _cells(item: StuckStep) -> tuple[str, ...]:
    good, step = item.last_good_event, item.step
    return (
        duration_text(item.stuck_us),
        fit(step.step_name, 28) if step else "–",
        fit(step.layer or "", 16) if step else "",
        "; ".join(fit(cause.text, 200) for cause in item.causes),
        good.event_type if good else "",
        fit(process_text(item.owner), 28),
        fit(title(item.trace), 28),
        item.trace.trace_id,
    )
