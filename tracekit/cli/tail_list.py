"""The list of traces as it changes, a line for each change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.text import Text

from tracekit.cli.output import Line, screen
from tracekit.cli.styles import status_style
from tracekit.documents import iso
from tracekit.endings import ending_label
from tracekit.human_units import counted, duration_text, moment_text
from tracekit.live import ListedTrace, Look, Turn
from tracekit.terminal_text import fit, one_line, pad

__all__ = ["list_line", "news", "print_news"]


class News(NamedTuple):
    """What is told of a trace: `running` for those that run already, else what it did."""

    word: str
    trace: ListedTrace


def news(look: Look) -> Sequence[News]:
    """What a look has to tell: at first what runs, oldest first; then what has changed."""
    if look.changes is None:
        return [News("running", trace) for trace in reversed(look.traces) if trace.is_running]
    return [News(change.turn.value, change.trace) for change in look.changes]


def list_line(told: News) -> Line:
    """The line of a pipe, or the JSON object."""
    trace = told.trace
    fields = (
        told.word,
        trace.trace_id,
        iso(trace.started_at),
        trace.status,
        trace.end_reason,
        trace.duration_ms,
        trace.frames,
        trace.model,
        trace.session_id,
        trace.method,
        trace.path or trace.name,
    )
    return Line({"turn": told.word, **trace.document()}, fields)


def print_news(changes: Iterable[News]) -> None:
    """The lines of a terminal."""
    console = screen()
    for told in changes:
        console.print(_shown(told), soft_wrap=True)


def _shown(told: News) -> Text:
    trace = told.trace
    # A trace that was deleted says nothing of its ending, and one that has begun has none.
    label = ending_label(trace.status, trace.end_reason, stalled=trace.stalled) if told.word != Turn.DELETED else ""
    facts = [fit(trace.model or "", 24), fit(trace.path or trace.name or "", 40)]
    if not trace.is_running:
        lasted = "" if trace.duration_ms is None else f"after {duration_text(trace.duration_ms * 1000)}"
        facts += [lasted, counted(trace.frames, "frame")]
    line = Text(f"{moment_text(trace.last_event_at)[11:19]}  ", "dim")
    line.append(pad(told.word, 8) + " ", "bold")
    line.append(pad(one_line(label), 16) + " ", status_style(trace.status, trace.end_reason))
    line.append(f"{one_line(trace.trace_id)}  ", "dim")
    line.append(" · ".join(fact for fact in facts if fact))
    return line
