"""How the text export is laid out: 100 columns, headings, aligned facts, and bars beside recorded text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracekit.terminal_text import fit, one_line, pad, safe_lines, wrap

__all__ = ["WIDTH", "bar", "fact", "heading", "paragraph"]

WIDTH = 100
_LABEL_WIDTH = 19
_INDENT = 2


def heading(title: str, note: str = "") -> Iterator[str]:
    """A section's head: its title, and a rule up to the note at the right edge."""
    yield ""
    rule = "─" * (WIDTH - len(title) - len(note) - (2 if note else 1))
    yield f"{title} {rule}{' ' if note else ''}{note}"


def fact(label: str, value: str) -> Iterator[str]:
    """One fact: its label, then its value, wrapped below itself where it is long."""
    indent = _INDENT + _LABEL_WIDTH
    lines = wrap(one_line(value), WIDTH - indent)
    yield f"{' ' * _INDENT}{pad(fit(label, _LABEL_WIDTH - 1), _LABEL_WIDTH - 1)} {next(lines)}"
    for line in lines:
        yield f"{' ' * indent}{line}"


def paragraph(text: str) -> Iterator[str]:
    """A sentence of our own with recorded words in it, on as many lines as it needs.

    Only its first line stands where our lines begin: recorded words that are wrapped cannot pass for one.
    """
    indent = _INDENT
    for line in wrap(one_line(text), WIDTH - 2 * _INDENT):
        yield f"{' ' * indent}{line}"
        indent = 2 * _INDENT


def bar(text: str, *, first: str = "") -> Iterator[str]:
    """Recorded text, each line behind a bar, so that none can pass for a line of ours. `first` labels the first one."""
    margin = "│ " + " " * len(first)
    lead = "│ " + first
    for line in _wrapped(safe_lines(text), WIDTH - _INDENT - len(margin)):
        yield f"{' ' * _INDENT}{lead}{line}".rstrip()
        lead = margin


def _wrapped(lines: Iterable[str], columns: int) -> Iterator[str]:
    for line in lines:
        yield from wrap(line, columns)
