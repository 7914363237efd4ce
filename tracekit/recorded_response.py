"""A recorded response as it can be played back: its head, its body messages with their times, and its ending."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tracekit.errors import InvalidInput, StoreError, WrongState
from tracekit.http_facts import chosen_headers
from tracekit.store import EventRecord, TraceRecord, TraceStore
from tracekit.store.blocks import Message
from tracekit.types import EndReason, EventType, TraceStatus, was_seen_to_end

__all__ = [
    "BEGINNING",
    "Ending",
    "RecordedResponse",
    "Start",
    "frame_messages",
    "is_compressed",
    "made_response",
    "parse_start",
    "stored_response",
]

BodyMessages = Iterable[tuple[Message, bytes]]
Headers = Sequence[tuple[bytes, bytes]]

_FRAMES = (EventType.STREAM_FRAME.value, EventType.STREAM_KEEPALIVE.value)

# The server makes these anew for its own connection (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})

# What a header field may hold (RFC 9110, section 5.5). A recording may have been imported, so nobody has checked it.
_FIELD_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")

# Values of Content-Encoding that leave the bytes as they are.
_UNCODED = (None, "", "identity")

_FINAL_STATUSES = range(200, 600)

_OK = 200

_BROKEN_OFF = frozenset(
    {
        EndReason.CLIENT_DISCONNECTED,
        EndReason.SERVER_CANCELLED,
        EndReason.PROCESS_DIED,
        EndReason.RECORDING_FAILED,
        EndReason.APP_ERROR,
    }
)

_START = re.compile(r"([0-9]{1,19})|seq:([0-9]{1,19})")


class Start(NamedTuple):
    """Where a replay starts: at an offset in microseconds, or at the frame with a number or the next after it."""

    offset_us: int = 0
    seq: int | None = None

    def reached(self, frame: EventRecord) -> bool:
        """Whether a frame belongs to what is replayed."""
        return frame.offset_us >= self.offset_us if self.seq is None else frame.seq >= self.seq


BEGINNING = Start()


def parse_start(text: str) -> Start:
    """The start that a text names: `1500000`, microseconds since the trace began, or `seq:42`.

    Raises:
        InvalidInput: it is neither.
    """
    found = _START.fullmatch(text)
    if found is None:
        raise InvalidInput("from: microseconds, such as 1500000, or a frame's number, such as seq:42", field="from")
    return Start(int(found[1])) if found[1] else Start(seq=int(found[2]))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ended, `at_us` after its trace began."""

    at_us: int
    reason: str
    broken: bool
    """It ended in the middle: the connection was given up, or the app raised."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """What is played back. Times are microseconds since the trace began."""

    status: int
    headers: Headers
    head_us: int
    """When the app sent its head."""
    origin_us: int
    """The moment that comes first in the replay."""
    ending: Ending
    exact: bool
    """The body is what the app sent, byte for byte, to its end."""
    messages: Callable[[], BodyMessages]
    """The body messages from the first on, as often as it is called. They may raise StoreError."""


def stored_response(store: TraceStore, trace_id: str, start: Start = BEGINNING) -> RecordedResponse:
    """The response that a stored trace recorded.

    Raises:
        NotFound: no trace has this id.
        WrongState: it still runs, it is no HTTP response, or nothing of its body is left.
        InvalidInput: nothing of the response lies at or after `start`, or it is compressed and has no other start
            than its beginning.
    """
    trace = store.get(trace_id)
    _require_response(trace, sent_as_file=bool(_first(store, trace, "response.file_sent")))
    unchanged = store.is_unchanged(trace.trace_id)
    _require_body(trace, next(iter(store.body_messages(trace.trace_id)), None))
    origin_us, skipped = 0, 0
    if start != BEGINNING:
        if unchanged and is_compressed(trace):
            raise InvalidInput("from: a compressed response can be replayed only from its beginning", field="from")
        origin_us, skipped = _find_start(_frames(store, trace), start)
    return made_response(
        trace,
        _first(store, trace, EventType.RESPONSE_STARTED),
        lambda: _after(skipped, _stored_messages(store, trace, unchanged=unchanged)),
        unchanged=unchanged,
        exact=unchanged and was_seen_to_end(trace.end_reason),
        origin_us=origin_us,
        whole=not skipped,
    )


def made_response(
    trace: TraceRecord,
    head: EventRecord | None,
    messages: Callable[[], BodyMessages],
    *,
    unchanged: bool,
    exact: bool,
    origin_us: int = 0,
    whole: bool = True,
) -> RecordedResponse:
    """The response of a trace, from its parts.

    Args:
        trace: its columns; it has ended.
        head: its event `response.started`, if there is one.
        messages: gives its body messages: where it is compressed and was changed, its frames.
        unchanged: they are what the app sent, as far as they go.
        exact: and they go to the end.
        origin_us: the moment at which the replay starts.
        whole: no message is left out at the beginning.
    """
    said = (head.payload if head is not None else None) or {}
    ending = _ending(trace)
    dropped = set() if unchanged else {"content-encoding"}
    if not (unchanged and whole and _length_fits(said, trace.bytes_seen, ending)):
        dropped.add("content-length")
    return RecordedResponse(
        status=_status(said.get("status"), trace.http_status),
        headers=_headers(said, trace, dropped),
        head_us=head.offset_us if head is not None else 0,
        origin_us=origin_us,
        ending=ending,
        exact=exact,
        messages=messages,
    )


# What can be replayed


def _require_response(trace: TraceRecord, *, sent_as_file: bool) -> None:
    if trace.status == TraceStatus.RUNNING:
        raise WrongState("the trace still runs; replay it when it has ended")
    if trace.http_status is None:
        raise WrongState("the trace has no HTTP response: the app never began one, or it was no request")
    if sent_as_file:
        raise WrongState("the server sent a file by itself; its bytes are not recorded")


def _require_body(trace: TraceRecord, first: tuple[Message, bytes] | None) -> None:
    if first is None and (trace.bytes_seen or trace.payloads_deleted):
        raise WrongState("nothing is left of the response: its frames were dropped or deleted")


def _first(store: TraceStore, trace: TraceRecord, event_type: str) -> EventRecord | None:
    return next(iter(store.events(trace.trace_id, limit=1, types=[event_type]).events), None)


# Parts of the body


def _find_start(frames: Iterable[EventRecord], start: Start) -> tuple[int, int]:
    """The moment at which the replay starts, and how many stored bytes stand before it."""
    skipped = 0
    for frame in frames:
        if start.reached(frame):
            return (start.offset_us if start.seq is None else frame.offset_us), skipped
        skipped += len(frame.raw or b"")
    raise InvalidInput("from: nothing of the response lies there", field="from")


def _after(skipped: int, messages: BodyMessages) -> Iterator[tuple[Message, bytes]]:
    """The messages without the first `skipped` stored bytes; one in which these end begins after them."""
    for message, body in messages:
        if not skipped:
            yield message, body
        elif len(body) > skipped:
            yield Message(len(body) - skipped, message.offset_us), body[skipped:]
        skipped = max(0, skipped - len(body))


def is_compressed(trace: TraceRecord) -> bool:
    """Whether the body has a content coding."""
    return trace.content_encoding not in _UNCODED


def frame_messages(frames: Iterable[EventRecord]) -> Iterator[tuple[Message, bytes]]:
    """Each stored frame as a message of its own. Of a compressed body that was changed these are what can be sent:
    its bytes on the wire would show what was masked, and could not be decompressed where some are missing."""
    for frame in frames:
        raw = frame.raw or b""
        yield Message(len(raw), frame.offset_us), raw


def _frames(store: TraceStore, trace: TraceRecord) -> Iterator[EventRecord]:
    return store.iterate_events(trace.trace_id, types=_FRAMES)


def _stored_messages(store: TraceStore, trace: TraceRecord, *, unchanged: bool) -> Iterator[tuple[Message, bytes]]:
    """The stored messages. A trace that is deleted meanwhile must not look as if it had ended there."""
    if unchanged or not is_compressed(trace):
        yield from store.body_messages(trace.trace_id)
    else:
        yield from frame_messages(_frames(store, trace))
    if not store.exists(trace.trace_id) or store.get(trace.trace_id).payloads_deleted != trace.payloads_deleted:
        raise StoreError(f"the trace {trace.trace_id} was deleted while it was replayed")


# The head


def _status(said: Any, column: int | None) -> int:
    chosen = said if isinstance(said, int) and not isinstance(said, bool) else column
    return chosen if chosen is not None and chosen in _FINAL_STATUSES else _OK


def _headers(said: dict[str, Any], trace: TraceRecord, dropped: set[str]) -> Headers:
    """The headers as stored. Where they are gone, those that stand in columns."""
    stored = said.get("headers")
    if not isinstance(stored, dict):
        stored = {"content-type": trace.content_type, "content-encoding": trace.content_encoding}
    texts = {name.lower(): value for name, value in stored.items() if isinstance(value, str)}
    return [
        (name.encode(), value.encode("latin-1"))
        for name, value in chosen_headers(texts).items()
        if name not in _HOP_BY_HOP and name not in dropped and _FIELD_VALUE.fullmatch(value)
    ]


def _length_fits(said: dict[str, Any], sent: int, ending: Ending) -> bool:
    """Whether the stored Content-Length is what a server will hold the replay to: a whole body has that length, one
    that broke off may have more to come."""
    headers = said.get("headers")
    length = headers.get("content-length") if isinstance(headers, dict) else None
    if not isinstance(length, str) or not re.fullmatch(r"[0-9]{1,18}", length):
        return False
    return int(length) >= sent if ending.broken else int(length) == sent


# The ending


def _ending(trace: TraceRecord) -> Ending:
    reason = trace.end_reason or trace.status
    known = {member.value for member in EndReason}
    broken = reason in _BROKEN_OFF if reason in known else trace.status != TraceStatus.COMPLETED
    ended_at = trace.last_event_at if trace.ended_at is None else trace.ended_at
    return Ending(ended_at - trace.started_at, reason, broken, trace.error)
