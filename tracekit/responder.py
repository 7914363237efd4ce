"""One HTTP request under the middleware: forwards, then notes what went by."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from tracekit.asking import requested_by
from tracekit.budget import ENTRY_OVERHEAD
from tracekit.conclusion import is_fault, seen_ending
from tracekit.trace import TaskTraceRecorder
from tracekit.types import ASGIApp, EndReason, EventType, Message, Receive, Scope, Send
from tracekit.watching import content_type_of, is_stream

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["Responder", "note_fault"]

_FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Messages with which the server sends a file by itself."""


def note_fault(recorder: Recorder, error: Exception) -> None:
    """Count a fault of recording. Never raises: where even the counting fails, there is nobody left to tell."""
    with suppress(Exception):
        recorder.note_internal_error("capture", error)


class Responder:
    """One request: its state, and the two callables that the app gets."""

    __slots__ = (
        "_app", "_append", "_budget", "_header", "_included", "_left", "_receive", "_recorder", "_registered", "_scope",
        "_send", "_trace", "_whole",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        app: ASGIApp,
        recorder: Recorder,
        trace: TaskTraceRecorder,
        included: bool,
        header: bytes | None,
    ) -> None:
        """`included`: this path is recorded whatever it answers. `header`: name of the response header that carries
        the trace id, lower case."""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._app = app
        self._recorder = recorder
        self._included = included
        self._header = header
        self._registered = False
        """The writer has the trace."""
        self._whole = False
        """The last body message was forwarded."""
        self._left = False
        """The client was seen to leave before that."""
        self._trace: TaskTraceRecorder | None = trace
        """None once nothing more of this request is noted as it goes by."""
        self._budget = recorder.budget
        self._append = trace.entries.append

    async def __call__(self) -> None:
        """Run the app."""
        trace = self._trace
        assert trace is not None
        try:
            await self._app(self._scope, self.receive, self.send)
        except BaseException as error:
            self._ended(trace, error)
            raise
        self._ended(trace, None)

    # On the way in

    async def receive(self) -> Message:
        """The server's next message, the same object, with a look at it in passing."""
        message = await self._receive()
        trace = self._trace
        if trace is not None:
            try:
                self._received(trace, message)
            except Exception as error:  # noqa: BLE001 - recording never reaches the chat
                self._give_up(trace, error)
        return message

    def _received(self, trace: TaskTraceRecorder, message: Message) -> None:
        if message["type"] == "http.request":
            self._keep_body(trace, message.get("body", b""))
            if not message.get("more_body", False) and trace.decision is None:
                self._decide(trace, final=False)
        elif message["type"] == "http.disconnect":
            self._client_left(trace, "receive")

    def _keep_body(self, trace: TaskTraceRecorder, body: bytes) -> None:
        http = trace.http
        assert http is not None
        http.body_size += len(body)
        room = self._recorder.options.request_body_bytes - http.body_kept
        if body and room > 0:
            http.body.append(bytes(body[:room]))
            http.body_kept += min(room, len(body))

    # On the way out

    async def send(self, message: Message) -> None:
        """Forward a message, then note it."""
        trace = self._trace
        if trace is None:
            return await self._send(message)
        if message["type"] != "http.response.body":
            return await self._send_other(trace, message)
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = _copied(body)
        sent = monotonic_ns()
        try:
            await self._send(message)
        except OSError:
            self._client_left(trace, "send")
            raise
        try:
            if trace.closed:
                self._closed(trace)
                return None
            if body:
                budget = self._budget
                budget.appended += len(body) + ENTRY_OVERHEAD
                if budget.appended > budget.threshold or trace.tail:
                    trace.append_crowded(sent, monotonic_ns(), body)
                else:
                    self._append((sent, monotonic_ns(), body))
            if not message.get("more_body", False):
                self._last_body(trace)
        except Exception as error:  # noqa: BLE001 - recording never reaches the chat
            self._give_up(trace, error)

    async def _send_other(self, trace: TaskTraceRecorder, message: Message) -> None:
        """Forward what is no body: the head, trailers, early hints, a file sent by the server, what is yet unknown."""
        kind = message["type"]
        if kind == "http.response.start":
            message = self._starting(trace, _with_lasting_headers(message))
        try:
            await self._send(message)
        except OSError:
            self._client_left(trace, "send")
            raise
        if kind in _FILES and self._trace is not None:
            self._file_sent(trace, message)

    def _starting(self, trace: TaskTraceRecorder, message: Message) -> Message:
        """Decide at the latest now. The message to forward: with the trace id, if the response is recorded."""
        try:
            if self._begin_response(trace, message) and self._header is not None:
                pair = (self._header, trace.trace_id.encode())
                return {**message, "headers": [*message.get("headers", ()), pair]}
        except Exception as error:  # noqa: BLE001 - recording never reaches the chat
            self._give_up(trace, error)
        return message

    def _begin_response(self, trace: TaskTraceRecorder, message: Message) -> bool:
        """Whether this response is recorded for certain. A second head is an app's mistake, and the server's to say."""
        http = trace.http
        assert http is not None
        if self._registered:
            return False
        headers = list(message.get("headers", ()))
        if not (self._included or is_stream(content_type_of(headers))):
            self._let_go(trace)
            return False
        if trace.decision is None:
            self._decide(trace, final=True)
        if self._trace is None:
            return False
        http.status, http.response_headers = _status(message["status"]), headers
        trace.append_event(EventType.RESPONSE_STARTED, {})
        self._register(trace)
        if http.method == "HEAD":
            # What the app sends as a body goes no further than the server.
            self._last_body(trace)
        return trace.decision is not None

    def _file_sent(self, trace: TaskTraceRecorder, message: Message) -> None:
        try:
            trace.append_event("response.file_sent", {"extension": message["type"]})
            if not message.get("more_body", False):
                self._last_body(trace, file=True)
        except Exception as error:  # noqa: BLE001 - recording never reaches the chat
            self._give_up(trace, error)

    def _last_body(self, trace: TaskTraceRecorder, **facts: Any) -> None:
        self._whole, self._trace = True, None
        if not self._left:
            trace.finalize(EndReason.COMPLETED, **facts)

    def _client_left(self, trace: TaskTraceRecorder, seen_by: str) -> None:
        if self._left or self._trace is None:
            return
        self._left = True
        try:
            trace.append_event(EventType.CLIENT_DISCONNECTED, {"seen_by": seen_by})
        except Exception as error:  # noqa: BLE001 - recording never reaches the chat
            self._give_up(trace, error)

    # Deciding and ending

    def _decide(self, trace: TaskTraceRecorder, *, final: bool) -> None:
        """Ask the policy. A yes holds; a no is asked for again at the first response byte, since who is asking is
        often known only then. Without settings yet, the writer decides as soon as they are there."""
        http = trace.http
        assert http is not None
        requested = requested_by(http.headers, b"".join(http.body))
        decision = self._recorder.deciding.decide(self._scope, trace, requested)
        if decision is None:
            trace.notes["requested"] = "" if requested is None else str(requested).lower()
        elif decision.record or final:
            trace.decision = decision
            if not decision.record:
                self._recorder.deciding.declined(decision)
                self._let_go(trace)

    def _register(self, trace: TaskTraceRecorder) -> None:
        self._recorder.register(trace)
        self._registered = True

    def _ended(self, trace: TaskTraceRecorder, error: BaseException | None) -> None:
        """The app call is over, however."""
        try:
            if trace.closed:
                self._closed(trace)
                return
            self._finish(trace, error)
            if not trace.closed:
                trace.close()
        except Exception as fault:  # noqa: BLE001 - recording never reaches the chat
            self._give_up(trace, fault)

    def _finish(self, trace: TaskTraceRecorder, error: BaseException | None) -> None:
        if not self._registered and not self._register_unanswered(trace):
            self._let_go(trace)
            return
        if error is not None and is_fault(error, left=self._left):
            trace.append_error(error)
        incomplete = error is None and not self._whole and not self._left
        reason = seen_ending(error, left=self._left, whole=self._whole)
        trace.finalize(reason, **({"incomplete": True} if incomplete else {}))

    def _register_unanswered(self, trace: TaskTraceRecorder) -> bool:
        """An included path that failed before its answer began is recorded all the same."""
        if not self._included:
            return False
        if trace.decision is None:
            self._decide(trace, final=True)
        if self._trace is None:
            return False
        self._register(trace)
        return True

    def _let_go(self, trace: TaskTraceRecorder) -> None:
        """Stop looking at this request: it is not recorded."""
        self._trace = None
        trace.discard()

    def _closed(self, trace: TaskTraceRecorder) -> None:
        """The writer closed the trace: it read the settings late and they say no, or the recorder is shut down."""
        self._trace = None
        if trace.decision is not None and not trace.decision.record:
            trace.discard()

    def _give_up(self, trace: TaskTraceRecorder, error: Exception) -> None:
        """Recording failed: the chat goes on, the trace ends where it is, the fault is counted."""
        self._trace = None
        note_fault(self._recorder, error)
        trace.closed = True
        if not self._registered:
            with suppress(Exception):
                trace.discard()


def _with_lasting_headers(message: Message) -> Message:
    """The message itself, or a copy where its headers are an iterator that our look would use up."""
    headers = message.get("headers", ())
    return {**message, "headers": list(headers)} if hasattr(headers, "__next__") else message


def _status(status: object) -> int:
    """The status code; 0 for what is none, since a server may yet send something."""
    return status if type(status) is int and 0 <= status <= 999 else 0


def _copied(body: Any) -> bytes:
    """A body as bytes that nobody else holds. What is no buffer the server will refuse, so nothing is noted of it."""
    try:
        return bytes(memoryview(body))
    except Exception:  # noqa: BLE001 - recording never reaches the chat
        return b""
