"""One trace while it is captured: `TaskTraceRecorder` takes what happens, in order, and hands it to the writer.

Capturing means appending a tuple to a list. Everything else, parsing, decoding, masking and numbering, is done later
on the writer thread (`pipeline.py`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

from tracekit import json_text
from tracekit.budget import ENTRY_OVERHEAD, Budget
from tracekit.ids import new_id
from tracekit.milestones import Milestones
from tracekit.reasons import Reason
from tracekit.span_context import open_span
from tracekit.types import Actor, Decision, EndReason, EventType, Lineage, Scope
from tracekit.workspaces import Workspaces

if TYPE_CHECKING:
    from tracekit.transcript import Summary

__all__ = [
    "FINISH",
    "GAP",
    "NO_TRACE",
    "BodyEntry",
    "Entry",
    "EventEntry",
    "HttpHead",
    "NullTrace",
    "TaskTraceRecorder",
    "TraceInfo",
    "entry_cost",
]

BodyEntry = tuple[int, int, bytes | int]
"""(monotonic ns before the send, after it, the body; or only its length, when memory was short)."""

EventEntry = tuple[int, str, str | TracebackException, str | None]
"""(monotonic ns, event type, payload as JSON, span); an exception waits to be formatted by the writer."""

Entry = BodyEntry | EventEntry

# What is kept aside when memory is full, so that the end, the usage and an error still fit: they come last.
_TAIL_MESSAGES = 8
_TAIL_MESSAGE_BYTES = 16 * 1024

# An exception's frame summaries, roughly.
_ERROR_COST = 8192

# Characters of an error in words.
_MOST_ERROR = 2048

GAP = "trace.gap"
"""Entry type of a mark: so many body messages were given up here. Becomes `trace.truncated`."""

FINISH = EventType.TRACE_FINISHED.value


@dataclass(slots=True)
class HttpHead:
    """What is known of the HTTP exchange besides the response body. Filled while the request runs."""

    method: str
    path: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    client: str | None
    body: list[bytes] = field(default_factory=list)
    body_size: int = 0
    body_kept: int = 0
    status: int | None = None
    response_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    scope: Scope | None = None
    """The request's scope, where the decision has to wait for the settings."""


class TaskTraceRecorder(Milestones):
    """One trace of this process: create, log, finalize. Appending is safe from any thread."""

    __slots__ = (
        "_budget", "_classify", "_wake", "actor", "closed", "decision", "entries", "environment", "finished", "http",
        "lineage", "lost_bytes", "lost_messages", "name", "notes", "outer", "started_ns", "started_us", "tail",
        "trace_id", "workspaces",
    )  # fmt: skip

    recording = True

    def __init__(
        self,
        budget: Budget,
        wake: Callable[[], None],
        *,
        environment: str,
        classify: Callable[[BaseException], Reason],
        name: str | None = None,
        http: HttpHead | None = None,
        outer: TaskTraceRecorder | None = None,
        workspaces: Workspaces | None = None,
    ) -> None:
        self._budget = budget
        self._wake = wake
        self._classify = classify
        self.trace_id = new_id()
        self.environment = environment
        self.name = name
        self.http = http
        self.outer = outer
        self.workspaces = workspaces
        self.actor: Actor | None = None
        self.decision: Decision | None = None
        self.lineage: Lineage | None = None
        self.notes: dict[str, str] = {}
        self.entries: list[Entry] = []
        self.tail: deque[BodyEntry] = deque()
        self.lost_messages = 0
        self.lost_bytes = 0
        self.finished = False
        """The end is known. The app may still log, from a background task."""
        self.closed = False
        """Nothing more comes."""
        self.started_us = time.time_ns() // 1000
        self.started_ns = time.monotonic_ns()

    # What the app may say

    def log(self, event_type: str, /, **payload: Any) -> None:
        """Record an event of the app's own. Returns at once; never raises.

        `event_type` is a dotted name of at most 64 characters (one that tracekit itself tells gets `app.` before it),
        `payload` anything JSON can hold (other objects are
        recorded as their `str`). A trace that is closed ignores it.
        """
        if not self.closed:
            span = open_span(self.trace_id)
            self.append_event(_own_name(event_type), payload, span_id=span.span_id if span else None)

    def annotate(
        self, *, session_id: str | None = None, message_id: str | None = None, client_message_id: str | None = None
    ) -> None:
        """Say which conversation and message this trace belongs to, where the request does not show it."""
        given = {"session_id": session_id, "message_id": message_id, "client_message_id": client_message_id}
        self.notes.update({name: str(value)[:256] for name, value in given.items() if value is not None})

    def workspace(self) -> Path | None:
        """The folder of this trace's artifacts, made on first use; it is deleted with the trace.

        None where nothing is recorded, `TRACEKIT_WORKSPACE_DIR` is not set, or the folder cannot be made (which is
        logged). Never raises.
        """
        declined = self.decision is not None and not self.decision.record
        return None if self.workspaces is None or declined else self.workspaces.folder(self.trace_id)

    # What capture says

    def append_event(self, event_type: str, payload: Mapping[str, Any], *, span_id: str | None = None) -> None:
        """Append an event. Its payload is encoded at once, since the app may go on changing it."""
        try:
            text = json_text.encode(payload)
        except Exception as error:  # noqa: BLE001 - a payload's own __str__ may raise anything
            text = json_text.encode({"unreadable": type(error).__name__})
        self._budget.appended += len(text) + ENTRY_OVERHEAD
        if self._budget.waiting > self._budget.limit and event_type not in _ALWAYS_KEPT:
            self._budget.appended -= len(text) + ENTRY_OVERHEAD
            self.lost_messages += 1
            self.lost_bytes += len(text)
            return
        if event_type in _ALWAYS_KEPT:
            self._restore_tail()
        self.entries.append((time.monotonic_ns(), event_type, text, span_id))

    def explain(self, error: BaseException) -> dict[str, str]:
        """An error in words, why it happened as far as that is known, and what to do. For spans: on the thread that
        ends them, where the error is."""
        try:
            words = f"{type(error).__qualname__}: {error}".removesuffix(": ")
        except Exception as fault:  # noqa: BLE001 - an exception whose own __str__ raises is still an exception
            words = f"{type(error).__qualname__} (unreadable: {type(fault).__name__})"
        reason = self._classify(error)
        return {
            "error": words[:_MOST_ERROR],
            "reason_code": str(reason.code)[:64],
            "reason_class": reason.reason_class,
            "advice": reason.advice,
        }

    def append_crowded(self, sent_ns: int, done_ns: int, body: bytes) -> None:
        """Append a body message when much waits: call the writer, and if memory is short drop by order.

        The last few messages are kept aside, since the usage and the end come last. Of those before them first the
        payloads go, and frames are still counted; then the frames go. The caller has added the message to the budget
        already.
        """
        self._wake()
        budget = self._budget
        if budget.waiting <= budget.payload_limit:
            budget.called()
            self._restore_tail()
            self.entries.append((sent_ns, done_ns, body))
            return
        budget.appended -= len(body) + ENTRY_OVERHEAD
        if len(self.tail) == _TAIL_MESSAGES:
            self._give_up(self.tail.popleft())
        self.tail.append((sent_ns, done_ns, body if len(body) <= _TAIL_MESSAGE_BYTES else len(body)))

    def _give_up(self, entry: BodyEntry) -> None:
        """A message for which there is no room: its time and its length stay, as long as there is room for those."""
        budget = self._budget
        if budget.waiting + ENTRY_OVERHEAD <= budget.limit and not self.lost_messages:
            budget.appended += ENTRY_OVERHEAD
            self.entries.append((entry[0], entry[1], _size(entry)))
            return
        self.lost_messages += 1
        self.lost_bytes += _size(entry)

    def _restore_tail(self) -> None:
        """Put what was kept aside back in its place, after a mark of what was given up before it."""
        if self.lost_messages:
            lost = json_text.encode({"messages": self.lost_messages, "bytes": self.lost_bytes})
            self.entries.append((time.monotonic_ns(), GAP, lost, None))
            self._budget.appended += len(lost) + ENTRY_OVERHEAD
            self.lost_messages = self.lost_bytes = 0
        while self.tail:
            entry = self.tail.popleft()
            self._budget.appended += ENTRY_OVERHEAD + (len(entry[2]) if isinstance(entry[2], bytes) else 0)
            self.entries.append(entry)

    def finalize(self, end_reason: EndReason, **facts: Any) -> None:
        """Say how the trace ended. Only the first call counts."""
        if self.finished:
            return
        self.finished = True
        self._restore_tail()
        self.append_event(FINISH, {"end_reason": end_reason.value, **facts})

    def append_error(self, error: BaseException) -> None:
        """Record an exception: its type, message and the end of its traceback.

        Only frame summaries are taken here; the writer reads the source lines and formats them.
        """
        try:
            summary = TracebackException.from_exception(error, limit=-20, lookup_lines=False, compact=True)
        except Exception as fault:  # noqa: BLE001 - an exception may be broken in any of its parts
            self.append_event(EventType.ERROR, {"type": type(error).__name__, "unreadable": type(fault).__name__})
            return
        self._restore_tail()
        self._budget.appended += _ERROR_COST
        self.entries.append((time.monotonic_ns(), EventType.ERROR.value, summary, None))

    def close(self) -> None:
        """Nothing more comes: the app call has returned."""
        self._restore_tail()
        self.closed = True

    def discard(self) -> None:
        """Forget everything: the request turned out not to be recorded. Only before the writer knows this trace."""
        self.closed = True
        self._budget.appended -= sum(map(entry_cost, self.entries))
        self.entries.clear()
        self.tail.clear()

    # What the writer takes

    def take(self, most: int) -> list[Entry]:
        """The oldest entries, at most `most`. Both steps are single operations, so appends in between are safe."""
        entries = self.entries[:most]
        del self.entries[: len(entries)]
        return entries


_ALWAYS_KEPT = frozenset({FINISH, EventType.ERROR.value, EventType.USAGE.value, EventType.CLIENT_DISCONNECTED.value})


# Events that tracekit alone tells; an app's word for one of them is kept apart from ours.
_RESERVED = ("client.", "process.", "request.", "response.", "span.", "stream.", "trace.")


def _own_name(event_type: str) -> str:
    """An event type that the app gave."""
    name = str(event_type)[:64]
    return f"app.{name}" if name.startswith(_RESERVED) else name


def _size(entry: BodyEntry) -> int:
    return entry[2] if isinstance(entry[2], int) else len(entry[2])


def entry_cost(entry: Entry) -> int:
    """What an entry adds to the budget."""
    content = entry[2]
    if isinstance(content, bytes | str):
        return ENTRY_OVERHEAD + len(content)
    return ENTRY_OVERHEAD if isinstance(content, int) else _ERROR_COST


class NullTrace(Milestones):
    """Stands where nothing is recorded: takes everything, keeps nothing."""

    __slots__ = ()

    recording = False
    trace_id: str | None = None

    def log(self, event_type: str, /, **payload: Any) -> None:
        """Nothing."""

    def annotate(
        self, *, session_id: str | None = None, message_id: str | None = None, client_message_id: str | None = None
    ) -> None:
        """Nothing."""

    def workspace(self) -> Path | None:
        """None: there is no trace whose artifacts it could hold."""
        return None


NO_TRACE = NullTrace()


@dataclass(slots=True)
class TraceInfo:
    """A trace as plugins see it, on the writer thread. Facts that are not known yet are None."""

    trace_id: str
    environment: str
    log: Callable[..., None]
    """`log(event_type, **payload)` adds an event to the trace."""
    session_id: str | None = None
    message_id: str | None = None
    actor: Actor | None = None
    method: str | None = None
    path: str | None = None
    http_status: int | None = None
    model: str | None = None
    prompt: str | None = None
    status: str = "running"
    end_reason: str | None = None
    duration_ms: int | None = None
    summary: Summary | None = None
    """What the stream said, once it has ended."""
