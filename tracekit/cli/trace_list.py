"""`tracekit list`: recorded traces, newest first."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tracekit.cli.opening import open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, is_terminal, print_lines, print_sentence
from tracekit.cli.styles import status_style
from tracekit.config import InitialSettings, load
from tracekit.documents import iso, trace_document
from tracekit.endings import ending_label
from tracekit.errors import InvalidInput
from tracekit.human_units import duration_text, moment_text
from tracekit.settings_store import SettingsStore
from tracekit.store import TraceFilter, TraceRecord, TraceStore
from tracekit.terminal_text import fit
from tracekit.types import EndReason, TraceStatus

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PAGE = 200

_COLUMNS = (
    Column("Started (UTC)", whole=True),
    Column("Ending", whole=True),
    Column("Lasted", right=True, whole=True),
    Column("First content", right=True, rank=3),
    Column("Frames", right=True, rank=5),
    Column("Tokens", right=True, rank=4),
    Column("Model", rank=2),
    Column("Prompt", rank=1),
    Column("Id", whole=True),
)


@app.command("list")
def list_traces(
    *,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    session: Annotated[str | None, typer.Option(help="Only this session.", metavar="ID")] = None,
    status: Annotated[TraceStatus | None, typer.Option(help="Only this status.")] = None,
    end_reason: Annotated[EndReason | None, typer.Option(help="Only this ending.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only this user.", metavar="ID")] = None,
    environment: Annotated[str | None, typer.Option(help="Only this environment.", metavar="dev|prod")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    since: Annotated[str | None, typer.Option(help="Started then or later: 2026-01-31, or 2h ago as 2h.")] = None,
    until: Annotated[str | None, typer.Option(help="Started before then, written as for --since.")] = None,
    keyword: Annotated[
        str | None, typer.Option("--keyword", "-k", help="In an id, the path, the prompt or the answer.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
) -> None:
    """List recorded traces, newest first."""
    chosen = TraceFilter(
        session=session,
        status=status,
        end_reason=end_reason,
        actor=actor,
        environment=environment,
        model=model,
        started_after=None if since is None else _moment(since, "--since"),
        started_before=None if until is None else _moment(until, "--until"),
        keyword=keyword,
    )
    with open_store(database_url) as store:
        lines = [_line(trace) for trace in _traces(store, chosen, limit)]
        if lines or as_json or not is_terminal():
            print_lines(_COLUMNS, lines, as_json=as_json)
        else:
            print_sentence(_why_empty(store, chosen))


def _traces(store: TraceStore, chosen: TraceFilter, limit: int) -> Iterator[TraceRecord]:
    cursor = None
    while limit > 0:
        page = store.list_traces(chosen, limit=min(limit, _PAGE), cursor=cursor)
        yield from page.items
        limit -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def _why_empty(store: TraceStore, chosen: TraceFilter) -> str:
    """An empty list has several causes, and the next step is another for each."""
    if chosen != TraceFilter():
        return "no trace matches"
    initial, _ = load(InitialSettings)
    settings = SettingsStore(store.database, initial)
    settings.refresh()
    if settings.current.task_trace_enabled:
        return "nothing is recorded yet"
    return "nothing is recorded: recording is off; switch it on with: tracekit settings set enabled=true"


def _line(trace: TraceRecord) -> Line:
    return Line(
        document=trace_document(trace),
        fields=_fields(trace),
        cells=_cells(trace) if is_terminal() else (),
        styles={1: status_style(trace.status, trace.end_reason), 7: "dim", 8: "dim"},
    )


def _fields(trace: TraceRecord) -> tuple[object, ...]:
    return (
        trace.trace_id,
        iso(trace.started_at),
        trace.status,
        trace.end_reason,
        trace.duration_ms,
        trace.first_content_us,
        trace.frames,
        trace.input_tokens,
        trace.output_tokens,
        trace.model,
        trace.environment,
        trace.session_id,
        trace.actor,
        trace.path,
        trace.prompt_preview,
    )


def _cells(trace: TraceRecord) -> tuple[str, ...]:
    return (
        moment_text(trace.started_at)[5:19],
        ending_label(trace.status, trace.end_reason, stalled=trace.stalled),
        "" if trace.duration_ms is None else duration_text(trace.duration_ms * 1000),
        "" if trace.first_content_us is None else duration_text(trace.first_content_us),
        f"{trace.frames:,}",
        _tokens(trace),
        fit(trace.model or "", 24),
        fit(trace.prompt_preview or trace.path or trace.name or "", 32),
        trace.trace_id,
    )


def _tokens(trace: TraceRecord) -> str:
    if trace.input_tokens is None and trace.output_tokens is None:
        return ""
    return "/".join("?" if count is None else f"{count:,}" for count in (trace.input_tokens, trace.output_tokens))


def _moment(text: str, option: str) -> int:
    """Microseconds UTC of a moment or of so long ago. A moment without a zone is meant as UTC."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return (int(time.time()) - int(ago[1]) * _SECONDS[ago[2]]) * 1_000_000
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{option}: {text!r} is no moment: write 2026-01-31, 2026-01-31T18:00 or 2h") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
