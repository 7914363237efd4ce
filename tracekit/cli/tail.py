"""`tracekit tail`: follow what is being recorded, one trace or all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tracekit.cli.opening import found_trace, open_store
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Line, is_terminal, print_lines
from tracekit.cli.plugin_host import plugin_host
from tracekit.cli.tail_list import list_line, news, print_news
from tracekit.cli.tail_screen import TailScreen
from tracekit.cli.tail_words import event_words
from tracekit.documents import event_document, iso
from tracekit.live import follow_list, follow_trace
from tracekit.live_answer import LiveAnswer
from tracekit.store import EventRecord, TraceRecord, TraceStore

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C has ended: 128 and the number of the signal."""


@app.command()
def tail(
    trace: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="A trace id, or `last` for the newest trace; left out: all traces, as they begin and end.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Follow a trace while it is written, until it has ended; or the list of traces, until Ctrl-C."""
    as_lines = as_json or not is_terminal()
    with open_store(database_url) as store, _ended_from_outside():
        if trace is None:
            _follow_list(store, as_json=as_json, as_lines=as_lines)
            return
        record = store.get(found_trace(store, trace))
        if as_lines:
            _follow_in_lines(store, record, as_json=as_json)
        else:
            _follow_on_screen(store, record)


@contextmanager
def _ended_from_outside() -> Iterator[None]:
    """Ctrl-C, and a pipe that is closed: the usual ends of a command that follows."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, instead of failing once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _follow_list(store: TraceStore, *, as_json: bool, as_lines: bool) -> None:
    for look in follow_list(store.database):
        changes = news(look)
        if as_lines:
            print_lines((), map(list_line, changes), as_json=as_json)
        else:
            print_news(changes)
        sys.stdout.flush()


def _follow_in_lines(store: TraceStore, record: TraceRecord, *, as_json: bool) -> None:
    answer = LiveAnswer(plugin_host(), record.framing)
    for page in follow_trace(store.database, record.trace_id):
        print_lines((), [_event_line(event, answer) for event in page.events], as_json=as_json)
        sys.stdout.flush()


def _event_line(event: EventRecord, answer: LiveAnswer) -> Line:
    """An event with what it says: a piece of the answer, or its payload in short."""
    said = "".join(piece.text for piece in answer.add(event) if piece.kind == "answer")
    words = said or event_words(event)
    return Line(event_document(event), (event.seq, iso(event.timestamp), event.event_type, words))


def _follow_on_screen(store: TraceStore, record: TraceRecord) -> None:
    answer = LiveAnswer(plugin_host(), record.framing)
    with TailScreen(record) as screen:
        for page in follow_trace(store.database, record.trace_id):
            for event in page.events:
                screen.add(event, answer.add(event))
            screen.caught_up = screen.caught_up or not page.more
    screen.end(store.get(record.trace_id))
