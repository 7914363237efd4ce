"""What a trace says, piece by piece with its times, while it is written or afterwards: for a page that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from weakref import WeakKeyDictionary

from anyio import to_thread
from starlette.responses import Response

from tracekit.conversation import TOOL_EVENTS
from tracekit.live import LiveEnd, LiveFeed
from tracekit.live_answer import LiveAnswer
from tracekit.store import Database, EventRecord
from tracekit_admin.auth import Gate
from tracekit_admin.limits import may_still_read
from tracekit_admin.live_messages import OPENING, end_message, message
from tracekit_admin.live_response import LiveResponse
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import NoQuery

__all__ = ["AnswerStream"]


class AnswerStream:
    """The operation behind one gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        # One for each event loop; a process that serves has one.
        self._feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, LiveFeed[Sequence[EventRecord]]] = WeakKeyDictionary()

    def operations(self) -> tuple[Operation, ...]:
        """The one there is."""
        return (
            Operation(
                method="GET",
                path="/api/task-trace/{trace_id}/answer/stream",
                answer=self.stream_answer,
                summary="What a trace says, as it says it",
                tag="traces",
                answers=(Answer(200, "Server-sent events.", media_type="text/event-stream"),),
                errors=(404, 503),
                limited=True,
            ),
        )

    def stream_answer(self, call: Call[NoQuery, Nothing]) -> Response:
        """From the beginning. `said` holds pieces of the answer (`kind` is `answer`) and of the reasoning, each with
        its `offset_us` from the start of the trace; `tool` holds an event of a tool call. The last message is `end`;
        its `cut_frames` tells how many frames were stored cut, of which nothing is said here: the whole text of an
        answer that has ended stands in the snapshot. A stream that no decoder reads says nothing."""
        record = call.recorder.store.get(call.trace_id)
        answer = LiveAnswer(call.recorder.plugins, record.framing)
        pieces = self._pieces(call.recorder.store.database, record.trace_id, answer)
        return LiveResponse(pieces, lambda: may_still_read(self._gate, call))

    async def _pieces(self, database: Database, trace_id: str, answer: LiveAnswer) -> AsyncIterator[bytes]:
        yield OPENING
        async for step in self._feed(database).follow(trace_id, 0).pages():
            if isinstance(step, LiveEnd):
                yield end_message(trace_id, step, cut_frames=answer.cut_frames)
                continue
            messages = await to_thread.run_sync(_messages, answer, step.content)
            if messages:
                yield messages

    def _feed(self, database: Database) -> LiveFeed[Sequence[EventRecord]]:
        loop = asyncio.get_running_loop()
        if loop not in self._feeds:
            self._feeds[loop] = LiveFeed(database, tuple)
        return self._feeds[loop]


def _messages(answer: LiveAnswer, events: Sequence[EventRecord]) -> bytes:
    return b"".join(_of_events(answer, events))


def _of_events(answer: LiveAnswer, events: Sequence[EventRecord]) -> Iterator[bytes]:
    said: list[dict[str, object]] = []
    for event in events:
        said += ({"kind": kind, "text": text, "offset_us": event.offset_us} for kind, text in answer.add(event))
        if event.event_type in TOOL_EVENTS:
            if said:
                yield message("said", {"pieces": said})
                said = []
            facts = {"event_type": event.event_type, "offset_us": event.offset_us, "payload": event.payload}
            yield message("tool", facts)
    if said:
        yield message("said", {"pieces": said})
