"""A trace as a file, streamed from the thread pool in constant memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator, Iterator

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from tracekit.exporting import Exporter, ExportOptions
from tracekit.store import TraceStore
from tracekit.types import Receive, Scope, Send
from tracekit.watching import is_stream

__all__ = ["export_response"]

# Exporters yield pieces of any size; each chunk costs a hop to a thread, and holds so many bytes at least.
_CHUNK_BYTES = 64 * 1024

_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def export_response(store: TraceStore, trace_id: str, exporter: Exporter, options: ExportOptions) -> StreamingResponse:
    """The response that carries an export; its first chunk is made at once, so that what fails fails before it.

    Raises:
        NotFound: no trace has this id.
    """
    trace_id = store.get(trace_id).trace_id
    exact = store.is_exact(trace_id)
    chunks = _chunks(exporter.write(store, trace_id, options))
    first = next(chunks, b"")
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(trace_id, exporter.suffix)}"',
        "X-Tracekit-Exact": "true" if exact else "false",
    }
    return _Export(_from_threads(first, chunks), headers=headers, media_type=_media_type(exporter.media_type))


class _Export(StreamingResponse):
    """Ends the exporter with the response, however that ends; a HEAD request gets the head alone."""

    body_iterator: AsyncIterator[bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "HEAD":
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": b""})
            else:
                await super().__call__(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            await self.body_iterator.aclose()  # type: ignore[attr-defined]


async def _from_threads(first: bytes, chunks: Generator[bytes]) -> AsyncIterator[bytes]:
    try:
        chunk = first
        while chunk:
            yield chunk
            chunk = await run_in_threadpool(next, chunks, b"")
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(chunks.close)


def _chunks(pieces: Iterator[bytes]) -> Generator[bytes]:
    """The same bytes in chunks that are worth a hop; each takes as much memory as its last piece and 64 KB."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _media_type(media_type: str) -> str:
    """A stream of events is saved here, not followed: neither a browser nor a middleware shall take it for live."""
    return "application/octet-stream" if is_stream(media_type) else media_type


def _file_name(trace_id: str, suffix: str) -> str:
    return "tracekit-" + _UNSAFE_IN_NAMES.sub("", f"{trace_id}.{suffix.lstrip('.')}")
