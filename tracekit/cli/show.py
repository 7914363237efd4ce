"""`tracekit show`: the conversation of one trace, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from tracekit.cli.opening import found_trace, open_store
from tracekit.cli.options import AsJson, DatabaseUrl, TraceName
from tracekit.cli.output import is_terminal, print_json, screen
from tracekit.cli.styles import status_style
from tracekit.conversation import TOOL_EVENTS, RecordedCall, RecordedCalls
from tracekit.documents import trace_document
from tracekit.endings import ending_text
from tracekit.human_units import counted, duration_text, moment_text
from tracekit.store import Texts, TraceRecord, TraceStore
from tracekit.terminal_text import one_line, safe_lines, wrap

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_FOLDED_LINES = 3
_BAR = "│ "


class _Shown(NamedTuple):
    """A line, and how it is coloured on a terminal."""

    text: str
    style: str = ""


@app.command()
def show(
    trace: TraceName,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help="Show all of the reasoning.")] = False,
) -> None:
    """Show the conversation of one trace, and how it ended."""
    with open_store(database_url) as store:
        record = store.get(found_trace(store, trace))
        texts = store.texts(record.trace_id)
        calls = _calls(store, record)
    if as_json:
        listed = [asdict(call) for call in calls.calls]
        print_json({"trace": trace_document(record), **asdict(texts), "tool_calls": listed})
        return
    console = screen()
    columns = console.width if is_terminal() else None
    for text, style in _page(record, texts, calls, all_reasoning=reasoning):
        for line in [text] if columns is None else _folded(text, columns):
            console.print(Text(line, style))


def _calls(store: TraceStore, record: TraceRecord) -> RecordedCalls:
    return RecordedCalls.of(store.iterate_events(record.trace_id, types=TOOL_EVENTS))


def _folded(text: str, columns: int) -> Iterator[str]:
    """A line as narrow as the terminal. What follows a bar stays behind a bar, and all else is indented, so that
    recorded words that are wrapped cannot pass for a line of ours."""
    lead, further = (_BAR, _BAR) if text.startswith(_BAR) else ("", "    ")
    for line in wrap(text.removeprefix(lead), max(columns - len(further), 20)):
        yield lead + line
        lead = further


def _page(record: TraceRecord, texts: Texts, calls: RecordedCalls, *, all_reasoning: bool) -> Iterator[_Shown]:
    yield from _strip(record)
    yield from _part("Prompt", texts.prompt or record.prompt_preview or "")
    if texts.reasoning:
        yield from _reasoning(texts.reasoning, whole=all_reasoning)
    yield from _part("Answer", texts.answer)
    if not texts.whole:
        yield _Shown("(not all of it: some frames could not be read, or it is very long)", "yellow")
    for call in calls.calls:
        yield from _call(call)
    if calls.left_out:
        yield _Shown(f"and {counted(calls.left_out, 'event')} of further tool calls: tracekit export {record.trace_id}")
    yield _Shown("")
    yield _Shown(f"Usage   {_usage(record)}")
    yield from _ending(record)


def _strip(record: TraceRecord) -> Iterator[_Shown]:
    lasted = "" if record.duration_ms is None else f" after {duration_text(record.duration_ms * 1000)}"
    yield _Shown(f"Trace {one_line(record.trace_id)}", "bold")
    yield _Shown(
        one_line(f"{record.status}: {ending_text(record.status, record.end_reason)}{lasted}"),
        status_style(record.status, record.end_reason),
    )
    content = None if record.first_content_us is None else f"first content {duration_text(record.first_content_us)}"
    tokens = None if record.input_tokens is None and record.output_tokens is None else _tokens(record)
    yield _Shown(
        _joined(moment_text(record.started_at), content, counted(record.frames, "frame"), tokens, record.model)
    )
    request = " ".join(part for part in (record.method, record.path) if part) or record.name
    session = None if record.session_id is None else f"session {record.session_id}"
    yield _Shown(_joined(request, record.environment, session, record.actor), "dim")
    if record.events_dropped or record.payloads_deleted:
        yield _Shown("Not all of it is stored: tracekit export says what is missing", "yellow")


def _joined(*facts: str | None) -> str:
    return " · ".join(one_line(fact) for fact in facts if fact)


def _part(title: str, text: str) -> Iterator[_Shown]:
    yield _Shown("")
    yield _Shown(title, "bold")
    if not text:
        yield _Shown("(none recorded)", "dim")
        return
    for line in safe_lines(text):
        yield _Shown(_BAR + line)


def _reasoning(text: str, *, whole: bool) -> Iterator[_Shown]:
    lines = list(safe_lines(text))
    shown = lines if whole else lines[:_FOLDED_LINES]
    yield _Shown("")
    yield _Shown("Reasoning", "bold")
    for line in shown:
        yield _Shown(_BAR + line, "dim")
    if len(shown) < len(lines):
        yield _Shown(f"({counted(len(lines) - len(shown), 'more line')}: --reasoning shows all)", "dim")


def _call(call: RecordedCall) -> Iterator[_Shown]:
    took = None if call.duration_us is None else duration_text(call.duration_us)
    state = None if call.ended else "never ended"
    yield _Shown("")
    yield _Shown(f"Tool call {_joined(call.name or '(no name)', call.id, took, state)}", "bold")
    for label, text, style in (
        ("arguments ", call.arguments, "cyan"),
        ("result    ", call.result, ""),
        ("error     ", call.error, "red"),
    ):
        for number, line in enumerate(safe_lines(text) if text is not None else ()):
            yield _Shown(f"{_BAR}{label if number == 0 else ' ' * len(label)}{line}", style)


def _usage(record: TraceRecord) -> str:
    if record.input_tokens is None and record.output_tokens is None:
        return "not reported"
    further = [
        f"{name.replace('_', ' ')} {count}"
        for name, count in (record.usage or {}).items()
        if name not in ("input_tokens", "output_tokens")
    ]
    return _joined(_tokens(record), *further)


def _tokens(record: TraceRecord) -> str:
    counts = ((record.input_tokens, "in"), (record.output_tokens, "out"))
    return ", ".join(f"{'?' if count is None else f'{count:,}'} {way}" for count, way in counts) + " tokens"


def _ending(record: TraceRecord) -> Iterator[_Shown]:
    finish = None if record.finish_reason is None else f"finish reason {record.finish_reason}"
    ended = _joined(ending_text(record.status, record.end_reason), record.reason_code, finish)
    yield _Shown(f"Ended   {ended}", status_style(record.status, record.end_reason))
    if record.error:
        yield _Shown(f"Error   {one_line(record.error)}", "red")
