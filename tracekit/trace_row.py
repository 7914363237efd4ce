"""The row of a trace while it is recorded: all columns of `task_traces` but the database's key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tracekit import json_text
from tracekit.masking import Mask
from tracekit.models import TaskTrace
from tracekit.requests import RequestDescription
from tracekit.stream_facts import PREVIEW_CHARACTERS
from tracekit.stream_reading import StreamReading
from tracekit.trace import TaskTraceRecorder, TraceInfo
from tracekit.transcript import Summary
from tracekit.types import EndReason, TraceStatus

__all__ = ["TraceRow"]

_TABLE = TaskTrace.metadata.tables["task_traces"]

_DEFAULTS: dict[str, Any] = {
    column.name: getattr(column.default, "arg", None) for column in _TABLE.columns if column.name != "id"
}

# Facts that are short by nature (ids, names, media types) are held to this.
_SHORT = 256
_MOST_PATH = 2048
_MOST_ERROR = 2048

_NOTED = ("session_id", "message_id", "client_message_id")


class TraceRow:
    """The facts of one trace. What came from outside is masked on its way in."""

    def __init__(self, trace: TaskTraceRecorder, process_id: str, mask: Mask) -> None:
        self._mask = mask
        self._noted: dict[str, str] = {}
        http, actor, decision = trace.http, trace.actor, trace.decision
        self._columns: dict[str, Any] = _DEFAULTS | {
            "trace_id": trace.trace_id,
            "name": self._short(trace.name),
            "status": TraceStatus.RUNNING.value,
            "enabled_by": decision.why if decision else "app",
            "environment": trace.environment,
            "actor": self._short(actor.id) if actor else None,
            "actor_is_admin": bool(actor and actor.is_admin),
            "method": http.method[:32] if http else None,
            "path": str(mask.value(http.path))[:_MOST_PATH] if http else None,
            "client": http.client if http else None,
            "http_status": http.status if http else None,
            "started_at": trace.started_us,
            "last_event_at": trace.started_us,
            "root_trace_id": trace.trace_id,
            "owner_process_id": process_id,
        }
        if trace.lineage is not None:
            self._columns |= asdict(trace.lineage)

    def _short(self, text: Any) -> str | None:
        return None if text is None else str(self._mask.value(str(text)))[:_SHORT]

    def describe(self, said: RequestDescription, prompt: str | None) -> None:
        """What the request says of itself. `prompt` is masked."""
        for name in (*_NOTED, "model"):
            self._columns[name] = self._short(getattr(said, name))
        if prompt is not None:
            self._columns["prompt_preview"] = prompt[:PREVIEW_CHARACTERS]
        if said.metadata:
            self._columns["metadata"] = json_text.encode(self._mask.value(dict(said.metadata)))

    def note(self, notes: dict[str, str]) -> None:
        """What the app has said so far; it goes before what the request says, and may come at any time."""
        for name in _NOTED:
            said = notes.get(name)
            if said is not None and said != self._noted.get(name):
                self._noted[name], self._columns[name] = said, self._short(said)

    def response(self, headers: dict[str, str], framing: str) -> None:
        """The head of the response."""
        self._columns |= {
            "content_type": self._short(headers.get("content-type")),
            "content_encoding": self._short(headers.get("content-encoding")),
            "framing": framing,
        }

    def error(self, payload: dict[str, Any]) -> None:
        """An error; the first one holds. `payload` is masked."""
        self.failure(f"{payload.get('type')}: {payload.get('message')}")

    def failure(self, message: str) -> None:
        """Why the trace failed, in words; the first ones hold."""
        if self._columns["error"] is None:
            self._columns["error"] = message[:_MOST_ERROR]

    def read(self, reading: StreamReading) -> None:
        """What the stream has said so far."""
        self._columns |= {
            "wire_format": reading.wire_format,
            "first_content_us": reading.first_content_us,
            "answer_preview": str(self._mask.value(reading.preview)) if reading.preview else None,
            "model": self._short(reading.model) or self._columns["model"],
            "frames_undecoded": reading.undecoded,
        }

    def summary(self, summary: Summary) -> None:
        """What the stream has said in the end. A count that the provider did not report is null, never 0."""
        usage = summary.usage
        self._columns |= {
            "usage": json_text.encode(usage) if usage else None,
            "input_tokens": _whole_number(usage, "input_tokens"),
            "output_tokens": _whole_number(usage, "output_tokens"),
            "finish_reason": self._short(summary.finish_reason),
            "tool_calls": len(summary.tool_calls),
        }
        if summary.error is not None:
            self.failure(str(self._mask.value(summary.error.message)))

    def end(self, reason: EndReason, reason_code: str | None, ended_us: int) -> None:
        """The trace has ended, at `ended_us` UTC."""
        self._columns |= {
            "status": reason.status.value,
            "end_reason": reason.value,
            "reason_code": reason_code,
            "ended_at": ended_us,
            "duration_ms": (ended_us - self._columns["started_at"]) // 1000,
        }

    def __getitem__(self, column: str) -> Any:
        return self._columns[column]

    def columns(self, **measured: Any) -> dict[str, Any]:
        """The row, with what was measured."""
        return self._columns | measured

    def tell(self, info: TraceInfo) -> None:
        """Bring what plugins see up to date."""
        row = self._columns
        info.session_id, info.message_id = row["session_id"], row["message_id"]
        info.method, info.path, info.http_status = row["method"], row["path"], row["http_status"]
        info.model, info.prompt = row["model"], row["prompt_preview"]
        info.status, info.end_reason, info.duration_ms = row["status"], row["end_reason"], row["duration_ms"]


def _whole_number(usage: dict[str, int | float] | None, name: str) -> int | None:
    count = (usage or {}).get(name)
    fits = isinstance(count, int | float) and not isinstance(count, bool) and 0 <= count < 1 << 63
    return int(count) if fits and count is not None else None
