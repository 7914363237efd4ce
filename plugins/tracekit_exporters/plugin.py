"""The export formats `txt`, `jsonl` and `sse`."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.exporting import Exporter
from tracekit.hookspecs import hookimpl
from tracekit_exporters.jsonl import write_jsonl
from tracekit_exporters.sse import write_sse
from tracekit_exporters.txt import write_txt

__all__ = ["tracekit_exporters"]


@hookimpl
def tracekit_exporters() -> Sequence[Exporter]:
    """Text for people, JSON lines for programs, and the bytes themselves."""
    return (
        Exporter("txt", "text/plain; charset=utf-8", ".txt", write_txt),
        Exporter("jsonl", "application/x-ndjson", ".jsonl", write_jsonl),
        # Plain bytes: a browser must not take a recording for a live stream.
        Exporter("sse", "application/octet-stream", ".sse", write_sse),
    )
