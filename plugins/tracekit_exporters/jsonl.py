"""The JSONL export: everything that is stored of a trace, so that it could be imported again.

One JSON object a line; `kind` says what it is, in this order: `trace` (all columns), `text` (prompt, reasoning,
answer), `event` (frames with their exact bytes), `messages` (how the app cut the body, as [bytes, offset in µs]; with
the bytes themselves where the response was compressed), `end` with the number of events, so that a file that was
cut short is noticed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from tracekit import json_text
from tracekit.documents import event_document, trace_document
from tracekit.exporting import ExportOptions
from tracekit.store.records import TraceRecord
from tracekit.store.traces import TraceStore
from tracekit.terminal_text import safe_json

__all__ = ["FORMAT_VERSION", "write_jsonl"]

FORMAT_VERSION = 1

_EVENTS_PER_PIECE = 100
_MESSAGES_PER_LINE = 256
_MESSAGES_PER_LINE_WITH_BYTES = 16


def write_jsonl(store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
    """The document, piece by piece; `options.frames` does not matter, since nothing is left out.

    Raises:
        NotFound: no trace has this id.
    """
    trace = store.get(trace_id)
    yield _line({"kind": "trace", "format_version": FORMAT_VERSION, **trace_document(trace)})
    texts = asdict(store.texts(trace.trace_id))
    whole = texts.pop("whole")
    for kind, text in texts.items():
        yield _line({"kind": "text", "text_kind": kind, "text": text, "whole": whole})
    events = store.iterate_events(trace.trace_id)
    count = 0
    while page := list(islice(events, _EVENTS_PER_PIECE)):
        count += len(page)
        yield b"".join([_line({"kind": "event", **event_document(event)}) for event in page])
    yield from _messages(store, trace)
    yield _line({"kind": "end", "events": count, "exact": store.is_exact(trace.trace_id)})


def _messages(store: TraceStore, trace: TraceRecord) -> Iterator[bytes]:
    messages = store.body_messages(trace.trace_id)
    wired = trace.content_encoding is not None
    while page := list(islice(messages, _MESSAGES_PER_LINE_WITH_BYTES if wired else _MESSAGES_PER_LINE)):
        document: dict[str, Any] = {"kind": "messages", "messages": [[size, at] for (size, at), _ in page]}
        if wired:
            document["base64"] = [base64.b64encode(body).decode() for _, body in page]
        yield _line(document)


def _line(document: dict[str, Any]) -> bytes:
    return (safe_json(json_text.encode(document)) + "\n").encode()
