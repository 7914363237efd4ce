"""`tracekit export`: one trace as a document."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracekit.cli.opening import found_trace, open_store
from tracekit.cli.options import DatabaseUrl, TraceName
from tracekit.cli.output import is_terminal, tell_not_exact
from tracekit.cli.plugin_host import plugin_host
from tracekit.errors import InvalidInput, TracekitError
from tracekit.exporting import Exporter, ExportOptions
from tracekit.human_units import size_text
from tracekit.store import TraceStore

__all__ = ["app"]

app = typer.Typer(add_completion=False)


class _Frames(StrEnum):
    NONE = "none"
    SUMMARY = "summary"
    FULL = "full"


@app.command()
def export(
    trace: TraceName,
    database_url: DatabaseUrl = None,
    format_name: Annotated[str, typer.Option("--format", "-f", help="txt, jsonl, sse, or one that a plugin adds.")] = (
        "txt"
    ),
    frames: Annotated[
        _Frames, typer.Option(help="In txt: leave stream frames out, fold runs of them, or show each.")
    ] = _Frames.SUMMARY,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File or folder to write to; standard output if left out.")
    ] = None,
) -> None:
    """Write one trace as text, JSON lines or the bytes on the wire."""
    exporter = _exporter(format_name, to_terminal=output is None and is_terminal())
    with open_store(database_url) as store:
        trace_id = store.get(found_trace(store, trace)).trace_id
        pieces = exporter.write(store, trace_id, ExportOptions(frames=frames.value))
        if output is None:
            _write_out(pieces)
        else:
            _write_file(output / f"{trace_id}{exporter.suffix}" if output.is_dir() else output, pieces)
        _tell_losses(store, trace_id)


def _exporter(name: str, *, to_terminal: bool) -> Exporter:
    exporters = plugin_host().exporters()
    if name not in exporters:
        raise InvalidInput(f"--format: there is no {name!r}; known are {', '.join(sorted(exporters)) or 'none'}")
    if to_terminal and exporters[name].media_type == "application/octet-stream":
        raise InvalidInput(f"--format {name} writes raw bytes, which a terminal may obey: use --output or a pipe")
    return exporters[name]


def _write_out(pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _write_file(path: Path, pieces: Iterator[bytes]) -> None:
    """Write a file that appears only when it is whole."""
    half = path.with_name(f"{path.name}.part")
    try:
        with half.open("wb") as file:
            written = sum(map(file.write, pieces))
        half.replace(path)
    except OSError as error:
        raise TracekitError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        half.unlink(missing_ok=True)
    sys.stderr.write(f"{path}: {size_text(written)}\n")


def _tell_losses(store: TraceStore, trace_id: str) -> None:
    if not store.is_exact(trace_id):
        tell_not_exact()
