"""What was recorded of a chat against what was sent, each difference in words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from tracekit import Recorder
from tracekit.store import TraceFilter, TraceRecord, TraceStore
from tracekit.store.records import EventRecord
from tracekit.types import EndReason, EventType
from tracekit_admin.demo.scenarios import Exchange, Scenario

__all__ = ["differences", "wait_until_ended"]

_FRAMES = (EventType.STREAM_FRAME, EventType.STREAM_KEEPALIVE)

_POLL_S = 0.02


def wait_until_ended(exchanges: Iterable[Exchange], recorder: Recorder, seconds: float) -> bool:
    """Whether all that is recorded of these chats is written to its end within so many seconds. That a client has hung
    up a server notices a little later.

    Raises:
        TracekitError: the store cannot be read.
    """
    deadline = time.monotonic() + seconds
    running = {exchange.received.trace_id for exchange in exchanges} - {None}
    while time.monotonic() < deadline:
        written = recorder.flush(seconds).complete
        running = {trace_id for trace_id in running if trace_id and recorder.store.get(trace_id).ended_at is None}
        if written and not running:
            return True
        time.sleep(_POLL_S)
    return False


def differences(exchange: Exchange, store: TraceStore) -> Iterator[str]:
    """Every way in which the store does not hold what was sent; nothing where it does.

    Raises:
        TracekitError: the store cannot be read.
    """
    trace_id = exchange.received.trace_id
    if exchange.scenario.end_reason is None:
        yield from _not_recorded(exchange, store)
    elif exchange.received.status != 200 or trace_id is None:
        yield f"answered with {exchange.received.status}, X-Trace-Id {trace_id}"
    else:
        trace, events = store.get(trace_id), list(store.iterate_events(trace_id))
        yield from _ending(exchange, trace)
        yield from _bytes(exchange, trace, b"".join(store.body(trace_id)), events)
        yield from _meaning(exchange.scenario, store, trace)
        yield from _tools(exchange.scenario, events)


def _not_recorded(exchange: Exchange, store: TraceStore) -> Iterator[str]:
    yield from _differs("the response came to its end", exchange.received.whole, True)
    if exchange.received.trace_id is not None:
        yield f"the response names a trace: {exchange.received.trace_id}"
    for trace in store.list_traces(TraceFilter(session=exchange.session_id)).items:
        yield f"there is a trace of it: {trace.trace_id}"


def _ending(exchange: Exchange, trace: TraceRecord) -> Iterator[str]:
    wanted = exchange.scenario.end_reason
    assert wanted is not None
    yield from _differs("end_reason", trace.end_reason, wanted.value)
    yield from _differs("status", trace.status, wanted.status.value)
    yield from _differs("session_id", trace.session_id, exchange.session_id)
    yield from _differs("path", trace.path, exchange.scenario.wire_format.path)
    yield from _differs("the response came to its end", exchange.received.whole, wanted is EndReason.COMPLETED)
    if not 0 < (trace.first_byte_us or 0) <= (trace.first_content_us or 0):
        yield f"first byte after {trace.first_byte_us} µs, first content after {trace.first_content_us} µs"


def _bytes(exchange: Exchange, trace: TraceRecord, body: bytes, events: list[EventRecord]) -> Iterator[str]:
    """The body byte for byte and the frames one by one; a client that hung up has the beginning of what was sent."""
    received, frames = exchange.received, [event for event in events if event.event_type in _FRAMES]
    sent = len(received.body) if exchange.scenario.leave_after else len(body)
    if body[:sent] != received.body:
        yield f"body: {len(body)} bytes stored, {len(received.body)} received, and they differ"
    for number, (stored, got) in enumerate(zip_longest((event.raw for event in frames), received.frames), 1):
        if got is None and exchange.scenario.leave_after:
            break
        yield from _differs(f"frame {number}", stored, got)
    yield from _differs("bytes_seen", trace.bytes_seen, len(body))
    yield from _differs("events_dropped", trace.events_dropped, 0)
    yield from _differs("seq", [event.seq for event in events], [*range(1, trace.last_seq + 1)])
    keepalives = sum(frame.startswith((b":", b"event: ping\n")) for frame in (event.raw or b"" for event in frames))
    yield from _differs("keepalives", trace.keepalives, keepalives)


def _meaning(scenario: Scenario, store: TraceStore, trace: TraceRecord) -> Iterator[str]:
    texts = store.texts(trace.trace_id)
    yield from _differs("prompt", texts.prompt, scenario.prompt)
    if scenario.end_reason is EndReason.COMPLETED:
        yield from _differs("answer", texts.answer, scenario.text)
        yield from _differs("reasoning", texts.reasoning, scenario.answer.reasoning)
        yield from _differs("input_tokens", trace.input_tokens, scenario.answer.input_tokens)
    elif not scenario.text.startswith(texts.answer) or texts.answer == scenario.text:
        yield f"answer: {texts.answer!r} is no beginning of what the model says"


def _tools(scenario: Scenario, events: list[EventRecord]) -> Iterator[str]:
    calls = [event.payload or {} for event in events if event.event_type == EventType.TOOL_FINISHED]
    tool = scenario.answer.tool
    wanted = [] if tool is None else [(tool.id, tool.name, tool.arguments)]
    stored = [(call.get("id"), call.get("name"), call.get("arguments")) for call in calls]
    yield from _differs("tool calls", stored, wanted)


def _differs(what: str, stored: object, sent: object) -> Iterator[str]:
    if stored != sent:
        yield f"{what}: stored {stored!r}, expected {sent!r}"
