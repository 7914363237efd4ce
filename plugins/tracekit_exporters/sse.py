"""The SSE export: the response body, byte for byte as it went over the wire."""

from __future__ import annotations

from collections.abc import Iterator

from tracekit.exporting import ExportOptions
from tracekit.store.traces import TraceStore

__all__ = ["write_sse"]


def write_sse(store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
    """The bytes, piece by piece; `options.frames` does not matter. Whether they are exact says `store.is_exact`.

    Raises:
        NotFound: no trace has this id.
    """
    return store.body(trace_id)
