"""`tracekit active`: what runs now, and where each is."""

from __future__ import annotations

from typing import Annotated

import typer

from tracekit.cli.opening import open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, is_terminal, print_lines, print_sentence
from tracekit.cli.running import HEALTH_STYLES, idle_timeout_ms, process_text, title
from tracekit.documents import iso, record_document
from tracekit.human_units import counted, duration_text
from tracekit.store.question_records import ActiveTrace
from tracekit.terminal_text import fit

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_COLUMNS = (
    Column("Health", whole=True),
    Column("Last event", right=True, whole=True),
    Column("Runs for", right=True, rank=3),
    Column("Step"),
    Column("Layer", rank=4),
    Column("Event", rank=2),
    Column("Process", rank=5),
    Column("What", rank=1),
    Column("Id", whole=True),
)


@app.command()
def active(
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most so many.")] = 50,
) -> None:
    """Show what runs now, those in trouble first: how each is, and which step it is in."""
    with open_store(database_url) as store:
        found = store.active(limit=limit, idle_timeout_ms=idle_timeout_ms(store))
    if not found.items and not as_json and is_terminal():
        print_sentence("nothing runs")
        return
    print_lines(_COLUMNS, [_line(item) for item in found.items], as_json=as_json)
    if found.total > len(found.items) and is_terminal() and not as_json:
        print_sentence(f"and {counted(found.total - len(found.items), 'more trace')}: --limit shows them")


def _line(item: ActiveTrace) -> Line:
    return Line(
        document=record_document(item),
        fields=_fields(item),
        cells=_cells(item) if is_terminal() else (),
        styles={0: HEALTH_STYLES[item.health], 7: "dim", 8: "dim"},
    )


def _fields(item: ActiveTrace) -> tuple[object, ...]:
    trace, step, last, owner = item.trace, item.step, item.last_event, item.owner
    return (
        trace.trace_id,
        item.health,
        iso(trace.started_at),
        iso(trace.last_event_at),
        item.since_last_event_us,
        step.step_name if step else None,
        step.layer if step else None,
        step.span_id if step else None,
        last.event_type if last else None,
        owner.host if owner else None,
        owner.pid if owner else None,
        title(trace),
        trace.session_id,
        trace.actor,
    )


def _cells(item: ActiveTrace) -> tuple[str, ...]:
    trace, step = item.trace, item.step
    return (
        item.health.replace("_", " "),
        duration_text(item.since_last_event_us),
        duration_text(trace.last_event_at + item.since_last_event_us - trace.started_at),
        fit(step.step_name, 28) if step else "–",
        fit(step.layer or "", 16) if step else "",
        item.last_event.event_type if item.last_event else "",
        fit(process_text(item.owner), 28),
        fit(title(trace), 28),
        trace.trace_id,
    )
