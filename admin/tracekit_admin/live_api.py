"""The operations that do not end by themselves: the events of a trace, and the list of traces, as they happen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tracekit.documents import event_document
from tracekit.live import ListChange, LiveEnd, LiveFeed, LiveList
from tracekit.store import Database, EventRecord
from tracekit_admin.auth import Gate
from tracekit_admin.limits import may_still_read
from tracekit_admin.live_messages import OPENING, end_message, message
from tracekit_admin.live_response import LiveResponse
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.problems import Problem
from tracekit_admin.queries import NoQuery, Query, Whole

__all__ = ["Live"]

_MOST_SEQ = 2**63 - 2
_LAST_EVENT_ID = "Last-Event-ID"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_OURS = frozenset({"end", "message"})


class StreamQuery(Query):
    """Where the stream begins."""

    since_seq: Whole = Field(
        0, ge=0, le=_MOST_SEQ, description="Only events with a greater number. `Last-Event-ID` goes before it."
    )


class Live:
    """The live operations behind one gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        # One for each event loop; a process that serves has one.
        self._feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, LiveFeed[bytes]] = WeakKeyDictionary()

    def operations(self) -> Iterator[Operation]:
        """Both of them."""
        yield Operation(
            method="GET",
            path="/api/task-trace/{trace_id}/events/stream",
            answer=self.stream_events,
            summary="Events of a trace as they happen",
            tag="traces",
            answers=(Answer(200, "Server-sent events.", media_type="text/event-stream"),),
            errors=(404, 503),
            query=StreamQuery,
            request_headers=(_LAST_EVENT_ID,),
            limited=True,
        )
        yield Operation(
            method="GET",
            path="/api/task-trace/stream",
            answer=self.stream_traces,
            summary="The list of traces as it changes",
            tag="traces",
            answers=(Answer(200, "Server-sent events.", media_type="text/event-stream"),),
            errors=(503,),
        )

    def stream_events(self, call: Call[StreamQuery, Nothing]) -> Response:
        """Each event is one message: `id` its number, `event` its type, `data` the event as event pages show it, on
        one line. A type that is no plain name, or `end`, is named `other`. The last message is `end`, which says how
        the trace ended, or that it was deleted; after it the reader closes. A reader that was cut off goes on after
        `Last-Event-ID`. Comments keep the connection alive. Access is checked again while the stream lasts."""
        store = call.recorder.store
        trace_id = store.get(call.trace_id).trace_id
        since = _last_event_id(call.request)
        return self._response(
            call, self._events(store.database, trace_id, call.query.since_seq if since is None else since)
        )

    def stream_traces(self, call: Call[NoQuery, Nothing]) -> Response:
        """First `listed`: the newest traces and those that run, as `items`. Then `started`, `changed` (it stalled, or
        goes on), `ended` and `deleted`, each with one trace; and `listed` again for a reader that did not keep up.
        Access is checked again while the stream lasts."""
        call.recorder.store.exists("0" * 32)
        return self._response(call, self._traces(call.recorder.store.database))

    def _response(self, call: Call[Any, Any], messages: AsyncIterator[bytes]) -> Response:
        return LiveResponse(messages, lambda: may_still_read(self._gate, call))

    def _feed(self, database: Database) -> LiveFeed[bytes]:
        loop = asyncio.get_running_loop()
        if loop not in self._feeds:
            self._feeds[loop] = LiveFeed(database, _messages)
        return self._feeds[loop]

    async def _events(self, database: Database, trace_id: str, since: int) -> AsyncIterator[bytes]:
        yield OPENING
        async for step in self._feed(database).follow(trace_id, since).pages():
            yield end_message(trace_id, step) if isinstance(step, LiveEnd) else step.content

    async def _traces(self, database: Database) -> AsyncIterator[bytes]:
        yield OPENING
        async for step in self._feed(database).changes():
            yield _list_message(step)


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get(_LAST_EVENT_ID)
    if not text:
        return None
    if re.fullmatch("[0-9]{1,19}", text) is None or int(text) > _MOST_SEQ:
        fault = "the id of an event of this stream: a whole number"
        raise Problem(422, f"{_LAST_EVENT_ID}: {fault}", errors=[{"field": _LAST_EVENT_ID, "message": fault}])
    return int(text)


def _messages(events: Sequence[EventRecord]) -> bytes:
    """The messages of a page: made once, for all who read it."""
    return b"".join(message(_name(event.event_type), event_document(event), event.seq) for event in events)


def _name(event_type: str) -> str:
    """What an app calls its events must neither break a message nor pass for the end of the stream."""
    return event_type if _PLAIN_NAME.fullmatch(event_type) and event_type not in _OURS else "other"


def _list_message(step: LiveList | ListChange) -> bytes:
    if isinstance(step, LiveList):
        return message("listed", {"items": [trace.document() for trace in step.traces]})
    return message(step.turn.value, step.trace.document())
