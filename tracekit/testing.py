"""For the tests of plugins and apps: feed a saved stream, get the trace.

`record_stream` runs the real pipeline with the plugins that are installed, redaction included, and needs no database,
server or event loop. Fixtures for pytest stand in `tracekit.testing_plugin`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from tracekit import json_text
from tracekit.plugins import PluginHost
from tracekit.recorded_response import (
    RecordedResponse,
    frame_messages,
    is_compressed,
    made_response,
    parse_start,
    stored_response,
)
from tracekit.replay import Replay
from tracekit.saved_streams import SavedResponse, read_response
from tracekit.store import EventRecord, TraceRecord, TraceStore
from tracekit.store.blocks import Message
from tracekit.trace import HttpHead
from tracekit.transcript import StreamFailure, Summary, ToolCall
from tracekit.types import ASGIApp, EventType

__all__ = ["Headers", "RecordedTrace", "record_stream", "replay_app"]

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


@dataclass(frozen=True, slots=True)
class RecordedTrace:
    """A trace as it would be stored: redactors have masked every value in it, but for `summary`."""

    text: str
    """The answer; empty where the stream has none. All other facts are None where the stream does not say them."""
    text_parts: list[str]
    reasoning: str | None
    tool_calls: list[ToolCall]
    usage: dict[str, int | float] | None
    finish_reason: str | None
    model: str | None
    """As the stream says. The column of that name falls back to what the request asked for."""
    error: StreamFailure | None
    """The error that the stream itself reported."""
    wire_format: str
    """`unknown` where no plugin claims the stream."""
    events: list[EventRecord]
    summary: Summary
    """All that the decoder read, before redaction."""
    row: Mapping[str, Any]
    """The columns of the trace in `task_traces`; those that hold JSON are decoded."""
    faults: Mapping[str, str]
    """The last fault of each plugin that failed on this stream. A test that expects none says so."""
    messages: Sequence[tuple[Message, bytes]] = ()
    """The body messages with their bytes, cut as the app cut them."""

    def events_of(self, *event_types: str) -> list[EventRecord]:
        """The events of some types, in order."""
        return [event for event in self.events if event.event_type in event_types]


def record_stream(
    body: bytes | str,
    *,
    content_type: str = "text/event-stream",
    path: str = "/",
    headers: Headers = (),
    request_body: Any = None,
    chunks: Sequence[int] | Sequence[bytes] | None = None,
    status: int = 200,
    request_headers: Headers = (),
    plugins: Iterable[object] | PluginHost = (),
) -> RecordedTrace:
    """Record one streamed response and say what would be stored.

    Args:
        body: the response body, as bytes on the wire.
        content_type: its media type, which says how it is cut into frames.
        path: path of the request.
        headers: further headers of the response.
        request_body: body of the request: bytes or text as they are, anything else as JSON.
        chunks: how the app cuts the body into messages: sizes in bytes, where the last message takes what is left,
            or the pieces themselves. Left out, it is one message.
        status: HTTP status of the response.
        request_headers: headers of the request.
        plugins: further plugins beside those that are installed; or the host to use instead.

    Raises:
        ValueError: `chunks` are not pieces of this body, or sizes below 1.
        PluginError: one of `plugins` misuses a hook.
    """
    body = body.encode() if isinstance(body, str) else bytes(body)
    given = plugins if isinstance(plugins, PluginHost) else tuple(plugins)
    host = given if isinstance(given, PluginHost) else PluginHost(given) if given else _installed()
    http = HttpHead("POST", path, b"", _pairs(request_headers), "127.0.0.1:0", status=status)
    http.body = [_request_bytes(request_body)]
    http.body_size = http.body_kept = len(http.body[0])
    http.response_headers = [(b"content-type", content_type.encode("latin-1")), *_pairs(headers)]
    before = _faults(host)
    read = read_response(http, _messages(body, chunks), host)
    host.trace_finished(read.info)
    return _recorded(read, {name: fault for name, (count, fault) in _faults(host).items() if before[name][0] < count})


@cache
def _installed() -> PluginHost:
    return PluginHost()


def _pairs(headers: Headers) -> list[tuple[bytes, bytes]]:
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(_latin(name).lower(), _latin(value)) for name, value in items]


def _latin(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else bytes(text)


def _request_bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return body.encode() if isinstance(body, str) else json_text.encode_bytes(body)


def _messages(body: bytes, chunks: Sequence[int] | Sequence[bytes] | None) -> Iterator[bytes]:
    start = 0
    for chunk in chunks or ():
        stop = start + (chunk if isinstance(chunk, int) else len(chunk))
        if stop <= start and isinstance(chunk, int):
            raise ValueError(f"a chunk of {chunk} bytes")
        if not isinstance(chunk, int) and body[start:stop] != chunk:
            raise ValueError(f"the chunk at byte {start} is no part of the body")
        if start < len(body) and stop > start:
            yield body[start:stop]
        start = stop
    if start < len(body):
        yield body[start:]


def _faults(host: PluginHost) -> dict[str, tuple[int, str]]:
    return {facts.name: (facts.faults, facts.last_fault or "") for facts in host.loaded}


def _recorded(read: SavedResponse, faults: Mapping[str, str]) -> RecordedTrace:
    summary, masked = read.summary, read.mask.value
    return RecordedTrace(
        text=masked(summary.text),
        text_parts=masked(summary.text_parts),
        reasoning=masked(summary.reasoning),
        tool_calls=[_masked_call(call, read) for call in summary.tool_calls],
        usage=summary.usage,
        finish_reason=masked(summary.finish_reason),
        model=masked(summary.model),
        error=None if summary.error is None else _masked_failure(summary.error, read),
        wire_format=read.wire_format,
        events=read.events,
        summary=summary,
        row=read.row,
        faults=faults,
        messages=read.messages,
    )


def _masked_call(call: ToolCall, read: SavedResponse) -> ToolCall:
    masked = read.mask.value
    return ToolCall(
        id=masked(call.id),
        name=masked(call.name),
        arguments=masked(call.arguments),
        arguments_raw=masked(call.arguments_raw),
        kind=call.kind,
        result=masked(call.result),
        is_error=call.is_error,
        has_result=call.has_result,
        choice=call.choice,
    )


def _masked_failure(failure: StreamFailure, read: SavedResponse) -> StreamFailure:
    return StreamFailure(read.mask.value(failure.message), read.mask.value(failure.code))


def replay_app(
    trace: RecordedTrace | str, *, store: TraceStore | None = None, speed: float = 0.0, start: str = "0"
) -> ASGIApp:
    """An ASGI app that answers every request with a recorded response: a model's stream for the tests of a front end.

    Args:
        trace: what `record_stream` gave, or the id of a trace in `store`.
        store: where the trace is stored, such as `recorder.store`.
        speed: how many times as fast as it was; 0, as usual in tests, leaves the pauses out.
        start: where it starts: microseconds since the trace began, or the number of a frame as `seq:42`. Only for a
            trace in a store.

    The app raises `tracekit.replay.ReplayBroken` at the end of a response that ended in the middle.

    Raises:
        ValueError: `trace` is an id and there is no `store`.
        NotFound: the store has no such trace.
        WrongState: the trace still runs, or there is nothing of a response in it.
        InvalidInput: there is no such speed or start.
    """
    if isinstance(trace, RecordedTrace):
        return Replay(_recorded_response(trace), speed=speed)
    if store is None:
        raise ValueError("a trace id needs the store that has the trace")
    return Replay(stored_response(store, trace, parse_start(start)), speed=speed)


def _recorded_response(trace: RecordedTrace) -> RecordedResponse:
    row = TraceRecord(**{field.name: trace.row[field.name] for field in fields(TraceRecord)})
    head = next(iter(trace.events_of(EventType.RESPONSE_STARTED)), None)
    unchanged = not any(event.cut for event in trace.events)
    messages = trace.messages
    if not unchanged and is_compressed(row):
        messages = list(frame_messages(event for event in trace.events if event.raw is not None))
    return made_response(row, head, lambda: messages, unchanged=unchanged, exact=unchanged)
