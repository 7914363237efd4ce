"""How commands speak: tables and colours on a terminal, one plain record a line in a pipe, JSON where asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tracekit import json_text
from tracekit.terminal_text import one_line, safe_json, safe_lines

__all__ = [
    "Column",
    "Line",
    "is_terminal",
    "print_json",
    "print_lines",
    "print_sentence",
    "progress_bar",
    "screen",
    "tell_not_exact",
]


class Column(NamedTuple):
    """A column of a table on a terminal."""

    heading: str
    right: bool = False
    """Numbers stand at the right."""
    rank: int = 0
    """Where the terminal is narrow, the column of the highest rank is left out first; 0 always stays."""
    whole: bool = False
    """Never folded, so that it can be copied."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record: as JSON, as the tab-separated fields of a pipe, and as the cells of a table.

    Fields and cells may hold recorded text: it is made safe when it is printed. A style is rich's, or empty.
    """

    document: Mapping[str, Any]
    fields: Sequence[object]
    cells: Sequence[str] = ()
    """The fields, where left out."""
    styles: Mapping[int, str] = field(default_factory=dict)


def is_terminal() -> bool:
    """Whether a person sees the output."""
    return sys.stdout.isatty()


def screen() -> Console:
    """The terminal, or a pipe that gets the same words without colours. Nothing recorded is read as markup."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=not is_terminal())


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    sys.stdout.write(safe_json(json_text.encode(document)) + "\n")


def print_lines(columns: Sequence[Column], lines: Iterable[Line], *, as_json: bool) -> None:
    """Print records. `columns` are those of the table."""
    if as_json:
        for line in lines:
            print_json(line.document)
    elif is_terminal():
        console = screen()
        console.print(_widest_table(columns, list(lines), console))
    else:
        for line in lines:
            sys.stdout.write("\t".join(_field(value) for value in line.fields) + "\n")


_FORMULA_BEGINNINGS = ("=", "+", "-", "@")


def _field(value: object) -> str:
    """A field of a pipe; what is not known is empty, so that `cut` counts right.

    A spreadsheet takes a text that begins like a formula for one; an apostrophe before it says that it is text.
    """
    if value is None:
        return ""
    text = one_line(str(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_BEGINNINGS) else text


def _widest_table(columns: Sequence[Column], lines: Sequence[Line], console: Console) -> Table:
    """The table with as many columns as the terminal takes."""
    shown = list(range(len(columns)))
    for given_up in sorted(shown, key=lambda i: -columns[i].rank):
        table = _table(columns, lines, shown)
        if columns[given_up].rank == 0 or Measurement.get(console, console.options, table).maximum < console.width:
            break
        shown.remove(given_up)
    return _table(columns, lines, shown)


def _table(columns: Sequence[Column], lines: Sequence[Line], shown: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for i in shown:
        column = columns[i]
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(column.heading, justify=justify, overflow="fold", no_wrap=column.whole)
    for line in lines:
        cells = line.cells or [_field(value) for value in line.fields]
        table.add_row(*[Text("\n".join(safe_lines(cells[i])), line.styles.get(i, "")) for i in shown])
    return table


def progress_bar(what: str) -> Progress:
    """A progress bar for long work, on standard error and only where a person sees it."""
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def print_sentence(text: str) -> None:
    """What was done, in a sentence on a line of its own."""
    sys.stdout.write(one_line(text) + "\n")


def tell_not_exact() -> None:
    """Say on standard error that a response is not what the app sent, byte for byte."""
    why = "cut, redacted, dropped or deleted, or the end was not seen"
    sys.stderr.write(f"tracekit: note: not every byte that was sent is stored ({why})\n")
