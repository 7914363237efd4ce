"""One trace on the writer thread: what capture noted becomes numbered, masked rows.

The stages of a frame: cut out of the body (`body_stage`), read by a decoder (`stream_reading`), masked (`masking`),
numbered and packed (`numbered_rows`). A stage may hold frames back, the decoder until it is known who can read them,
the mask while a secret may be growing in them; events that come after a held frame wait behind it (`outbox`), so
that numbers follow the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from traceback import TracebackException
from typing import Any, cast

from tracekit import json_text
from tracekit.app_events import AppEvents
from tracekit.body_intake import BodyIntake
from tracekit.body_stage import BodyStage
from tracekit.conclusion import conclude
from tracekit.config import SystemSettings
from tracekit.decoding import StreamHead
from tracekit.error_payload import exception_payload
from tracekit.http_facts import chosen_headers, header_map, request_info, request_payload
from tracekit.masking import Mask
from tracekit.numbered_rows import NumberedRows, OutEvent
from tracekit.outbox import Outbox
from tracekit.plugins import PluginHost
from tracekit.requests import RequestInfo
from tracekit.said_calls import SaidCalls
from tracekit.store.batch import MOST_TEXT, Batch, TextRow
from tracekit.store.span_rows import NOT_ENDED, PROCESS_DIED
from tracekit.stream_meter import StreamMeter
from tracekit.stream_reading import StreamReading
from tracekit.trace import FINISH, GAP, Entry, EventEntry, HttpHead, TaskTraceRecorder, TraceInfo, entry_cost
from tracekit.trace_row import TraceRow
from tracekit.transcript import Summary
from tracekit.types import EndReason, EventType, TraceStatus

__all__ = ["TracePipeline"]

# These endings say why; for others the error does.
_CODES_OF_ENDINGS = {
    EndReason.CLIENT_DISCONNECTED: "CLIENT_DISCONNECTED",
    EndReason.SERVER_CANCELLED: "CANCELLED",
}


# Rows of one trace that are written while it runs, before they are merged into fewer.
_SEAL_AFTER_ROWS = 64


_content_of = itemgetter(2)


def _is_body(entry: Entry) -> bool:
    return type(entry[2]) is bytes


class TracePipeline:
    """Takes the entries of one trace in order and gives rows. Used on the writer thread only."""

    def __init__(
        self,
        trace: TaskTraceRecorder,
        settings: SystemSettings,
        plugins: PluginHost,
        process_id: str,
        heartbeat_us: int = 30_000_000,
    ) -> None:
        self.trace = trace
        self.info = TraceInfo(trace.trace_id, trace.environment, self._log, actor=trace.actor)
        self._plugins = plugins
        self._idle_us = settings.task_trace_idle_timeout_ms * 1000
        self._headers = header_map(trace.http.response_headers) if trace.http else {}
        self._body = BodyStage(self._headers, settings.task_trace_payload_max_length)
        self._meter = StreamMeter(settings.task_trace_idle_timeout_ms)
        self._rows = NumberedRows(trace.trace_id, trace.started_us, settings, wired=self._body.wired)
        self._mask = Mask(plugins, plugins.redactors(self.info))
        self._outbox = Outbox(self._rows, self._mask)
        self._row = TraceRow(trace, process_id, self._mask)
        self._said_calls = SaidCalls(plugins, self.info, self._event)
        self._intake = BodyIntake(
            trace.started_ns,
            self._body,
            self._meter,
            rows=self._rows,
            outbox=self._outbox,
            tell_silence=self._tell_silence,
        )
        self._intake.queued = bool(self._mask)
        self._reading: StreamReading | None = None
        self._app = AppEvents(
            trace.trace_id,
            trace.started_us,
            mask=self._mask,
            rows=self._rows,
            put=self._put,
            said_calls=self._said_calls,
            heartbeat_us=heartbeat_us,
        )
        self._texts: list[TextRow] = []
        self._stored = False
        self._ended = False
        self._dirty = True
        self._unsealed = 0
        self.wants_sealing = False
        """Several rows of frames wait in the store to be merged into few."""
        if trace.http is not None:
            self._begin(trace.http)
        self._row.note(trace.notes)
        self._row.tell(self.info)

    # Beginning

    def _begin(self, http: HttpHead) -> None:
        info = request_info(http)
        said = self._plugins.describe_request(info)
        prompt = None if said.prompt is None else str(self._mask.value(said.prompt))
        self._row.describe(said, prompt)
        self._keep_text("prompt", prompt)
        self._event(0, EventType.REQUEST_RECEIVED, request_payload(http, info))
        if http.status is not None:
            self._row.response(self._headers, self._body.framing.value)
            self._begin_reading(http.status, info)

    def _begin_reading(self, status: int, request: RequestInfo) -> None:
        if not self._plugins.decodes:
            return
        head = StreamHead(
            path=request.path,
            status=status,
            framing=self._body.framing,
            request_headers=request.headers,
            response_headers=self._headers,
            request_body=request.json,
        )
        self._reading = StreamReading(
            self._plugins,
            head,
            self.info,
            make_event=self._made,
            outbox=self._outbox,
            said_calls=self._said_calls,
        )
        self._intake.reading, self._intake.queued = self._reading, True

    def _keep_text(self, kind: str, text: str | None) -> None:
        if text:
            self._texts.append(TextRow(self.trace.trace_id, kind, text[:MOST_TEXT]))

    # Taking entries

    def process(self, entries: Sequence[Entry]) -> int:
        """Take what capture noted, oldest first; what it took of the budget."""
        self._dirty = self._dirty or bool(entries)
        if {*map(type, map(_content_of, entries))} == {bytes}:
            # Nearly always: body messages and nothing else.
            cost = self._intake.messages(cast(Sequence[tuple[int, int, bytes]], entries))
            self._outbox.release()
            return cost
        cost = 0
        for is_body, run in groupby(entries, _is_body):
            if is_body:
                cost += self._intake.messages(cast(list[tuple[int, int, bytes]], list(run)))
            else:
                cost += sum(map(self._entry, run))
        self._outbox.release()
        return cost

    def _entry(self, entry: Entry) -> int:
        """One entry that is no body message with its bytes; what it took of the budget."""
        if type(entry[1]) is int:
            self._intake.message(entry)
        else:
            self._event_entry(cast(EventEntry, entry))
        return entry_cost(entry)

    def tick(self, now_ns: int) -> None:
        """Time has passed: let spans beat, notice silence and the end, and wait no longer for a decoder."""
        now_us = (now_ns - self.trace.started_ns) // 1000
        self._app.beat(now_us)
        if self._ended:
            if self.trace.closed and not self.trace.entries and not self._app.closed:
                self._close()
        elif self.trace.http is not None:
            self._notice_silence(now_us)
        self._outbox.release()

    def _notice_silence(self, now_us: int) -> None:
        idle_at = None if self.trace.entries else self._meter.silence.passed_limit(now_us)
        if idle_at is not None:
            self._event(idle_at, EventType.STREAM_IDLE, {"silence_us": self._idle_us})
            self._dirty = True
        if self._reading is not None:
            self._reading.tick(now_us)

    def _tell_silence(self, at: int, told: dict[str, int]) -> None:
        """A silence that passed the limit is over."""
        idle_at = told.pop("idle_at", None)
        if idle_at is not None:
            self._event(idle_at, EventType.STREAM_IDLE, {"silence_us": self._idle_us})
        self._event(at, EventType.STREAM_RESUMED, told)

    # Events

    def _made(self, offset: int, event_type: str, payload: Any) -> OutEvent:
        return OutEvent(offset, event_type, json_text.encode(self._mask.value(payload)))

    def _event(self, offset: int, event_type: str, payload: Any) -> None:
        self._put(self._made(offset, event_type, payload))

    def _put(self, event: OutEvent) -> None:
        if self._intake.queued:
            self._outbox.put(event)
        else:
            self._rows.event(event)

    def _log(self, event_type: str, /, **payload: Any) -> None:
        """What a plugin adds."""
        self._event(self._meter.now_us, str(event_type)[:64], payload)
        self._dirty = True

    def _event_entry(self, entry: EventEntry) -> None:
        at, event_type, content, span_id = entry
        offset = (at - self.trace.started_ns) // 1000
        payload = exception_payload(content) if isinstance(content, TracebackException) else json_text.decode(content)
        if event_type == FINISH:
            self._finish(offset, payload)
        elif event_type == GAP:
            self._intake.gap(offset)
            self._rows.drop(payload["messages"], payload["bytes"], told=True)
            self._meter.given_up(payload["bytes"])
            self._event(offset, EventType.TRACE_TRUNCATED, {"reason": "buffer_full", **payload})
        elif event_type == EventType.RESPONSE_STARTED and self.trace.http is not None:
            head = {"status": self.trace.http.status, "headers": chosen_headers(self._headers)}
            self._event(offset, event_type, head)
        else:
            masked = self._app.take(offset, event_type, payload, span_id)
            if event_type == EventType.ERROR:
                self._row.error(masked)

    # Ending

    def _finish(self, offset: int, seen: dict[str, Any]) -> None:
        self._intake.finish()
        self._meter.silence.ended(offset)
        summary = self._finish_reading(offset)
        self._outbox.release(final=True)
        self._rows.finish()
        reason = self._reason(EndReason(seen["end_reason"]), summary, file=bool(seen.get("file")))
        self._row.end(reason, self._reason_code(reason), self.trace.started_us + offset)
        facts = {
            name: self._row[name] for name in ("status", "end_reason", "reason_code", "duration_ms", "http_status")
        }
        counted = {"frames": self._meter.frames, "keepalives": self._meter.keepalives, "bytes": self._meter.bytes}
        unread = {"unread_body": self._body.problem} if self._body.problem else {}
        self._event(offset, FINISH, seen | facts | counted | unread)
        self._outbox.release(final=True)
        self._ended = True

    def _finish_reading(self, offset: int) -> Summary:
        if self._reading is None:
            return Summary()
        summary = self.info.summary = self._reading.finish(offset)
        self._row.summary(summary)
        for kind, text in (("answer", summary.text), ("reasoning", summary.reasoning)):
            self._keep_text(kind, str(self._mask.value(text)) if text else None)
        return summary

    def _reason(self, seen: EndReason, summary: Summary, *, file: bool) -> EndReason:
        http = self.trace.http
        if http is None:
            return seen
        return conclude(
            seen,
            http_status=http.status,
            method=http.method,
            said_end=summary.ended,
            said_error=summary.error is not None,
            body_bytes=self._meter.bytes,
            file=file,
        )

    def _reason_code(self, reason: EndReason) -> str | None:
        if reason.status is TraceStatus.COMPLETED:
            return None
        if reason in _CODES_OF_ENDINGS:
            return _CODES_OF_ENDINGS[reason]
        return self._plugins.classify_error(self._row["error"] or reason.value, self._row["http_status"]).code

    # Giving rows

    @property
    def done(self) -> bool:
        """Nothing more will come, and everything was processed."""
        return self._app.closed

    @property
    def held(self) -> int:
        """Frames and events that are not written before it is known what follows them."""
        return len(self._outbox)

    @property
    def abandoned(self) -> bool:
        """Nothing more will come, and nobody said how it ended."""
        return self.trace.closed and not self.trace.entries and not self._ended

    def abandon(self, reason: EndReason, now_ns: int) -> None:
        """End a trace that capture did not end."""
        if not self._ended:
            self._finish((now_ns - self.trace.started_ns) // 1000, {"end_reason": reason.value})
        self._close()

    def _close(self) -> None:
        """The app has returned: nothing more can come of what it had begun."""
        self._outbox.release(final=True)
        self._rows.finish()
        died = self._row["end_reason"] == EndReason.PROCESS_DIED
        self._app.close(self._row["ended_at"], PROCESS_DIED if died else NOT_ENDED)
        self._dirty = True

    def collect(self, batch: Batch) -> None:
        """Add to `batch` what is not written yet. It is complete: written once more, it changes nothing."""
        if not self._dirty and not self._app.changed:
            return
        self._dirty = False
        if not self._stored:
            self._plugins.trace_started(self.info)
        written_at_once = self._ended and not self._unsealed
        rows = self._rows.take(sealed=written_at_once)
        batch.events += rows
        batch.spans += self._app.changed_spans()
        batch.texts += self._texts
        self._texts = []
        self._unsealed += 0 if written_at_once else sum(row.frames is not None for row in rows)
        self.wants_sealing = self._unsealed > _SEAL_AFTER_ROWS or (self._ended and self._unsealed > 0)
        (batch.changed if self._stored else batch.new).append(self._columns())
        self._stored = True

    def sealed(self) -> None:
        """The rows of frames were merged."""
        self._unsealed, self.wants_sealing = 0, False

    def _columns(self) -> dict[str, Any]:
        if self._reading is not None:
            self._row.read(self._reading)
        self._row.note(self.trace.notes)
        self._row.tell(self.info)
        rows = self._rows.columns()
        rows["last_event_at"] += self.trace.started_us
        rows["tool_calls"] = self._row["tool_calls"] + self._said_calls.only_said
        return self._row.columns(
            **self._meter.columns(), **rows, payloads_redacted=self._mask.redacted, closed=self._app.closed
        )
