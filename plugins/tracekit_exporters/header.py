"""The head of the text export: every fact of the trace, grouped, with what was lost at the top."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tracekit import json_text
from tracekit.endings import ending_text
from tracekit.human_units import counted, duration_text, exact_duration, exact_size, moment_text, offset_text, size_text
from tracekit.store.records import TraceRecord
from tracekit.terminal_text import one_line
from tracekit_exporters.layout import WIDTH, fact, heading, paragraph

__all__ = ["header"]

Facts = Iterator[tuple[str, str | None]]


def header(trace: TraceRecord, losses: Iterable[str]) -> Iterator[str]:
    """The lines of the head. `losses` are sentences about what was not stored."""
    yield "═" * WIDTH
    yield f"TRACE {one_line(trace.trace_id)}"
    yield from paragraph(verdict(trace))
    yield "═" * WIDTH
    for sentence in losses:
        yield from paragraph(f"! {sentence}")
    for title, facts in _GROUPS:
        known = [(label, value) for label, value in facts(trace) if value is not None]
        if known:
            yield from heading(title)
            for label, value in known:
                yield from fact(label, value)


def verdict(trace: TraceRecord) -> str:
    """Status, who ended it and when, in one sentence."""
    lasted = _lasted(trace)
    after = "" if lasted is None else f", after {duration_text(lasted)}"
    stalled = ", stalled" if trace.stalled else ""
    return f"{trace.status.upper()}{stalled}: {ending_text(trace.status, trace.end_reason)}{after}"


def losses(trace: TraceRecord, causes: Iterable[str]) -> Iterator[str]:
    """What is missing from this record, each as a sentence; nothing where all that was seen is stored."""
    if trace.events_dropped or trace.bytes_dropped:
        why = ", ".join(causes)
        lost = f"{counted(trace.events_dropped, 'event')} ({size_text(trace.bytes_dropped)})"
        yield f"{lost} {'was' if trace.events_dropped == 1 else 'were'} not stored{': ' + why if why else ''}"
    if trace.payloads_cut:
        was = "was" if trace.payloads_cut == 1 else "were"
        yield f"{counted(trace.payloads_cut, 'payload')} {was} cut to the allowed length; length and SHA-256 are kept"
    if trace.payloads_redacted:
        yield f"redaction changed {counted(trace.payloads_redacted, 'payload')}: what is here is not what was sent"
    if trace.payloads_deleted:
        yield "frames and payloads were deleted by retention; only the facts of the trace are left"
    if trace.frames_undecoded:
        yield f"{counted(trace.frames_undecoded, 'frame')} could not be decoded, and kept as raw bytes only"


def _lasted(trace: TraceRecord) -> int | None:
    if trace.ended_at is not None:
        return trace.ended_at - trace.started_at
    return None if trace.duration_ms is None else trace.duration_ms * 1000


def _ending(trace: TraceRecord) -> Facts:
    yield "status", trace.status
    yield "end reason", trace.end_reason
    yield "reason code", trace.reason_code
    yield "error", trace.error
    yield "finish reason", trace.finish_reason
    yield "stalled", "yes" if trace.stalled else None


def _time(trace: TraceRecord) -> Facts:
    lasted = _lasted(trace)
    yield "started", moment_text(trace.started_at)
    yield "ended", None if trace.ended_at is None else moment_text(trace.ended_at)
    yield "last event", moment_text(trace.last_event_at)
    yield "duration", None if lasted is None else exact_duration(lasted)
    yield "first byte", _at(trace.first_byte_us)
    yield "first frame", _at(trace.first_frame_us)
    yield "first content", _at(trace.first_content_us)
    yield "first delivered", _at(trace.first_delivered_us)
    yield "longest silence", exact_duration(trace.longest_silence_us)
    yield "blocked in send", exact_duration(trace.send_blocked_us)


def _identity(trace: TraceRecord) -> Facts:
    yield "name", trace.name
    yield "session", trace.session_id
    yield "message", trace.message_id
    yield "client message", trace.client_message_id
    yield "actor", None if trace.actor is None else trace.actor + (" (admin)" if trace.actor_is_admin else "")
    yield "admin", "yes" if trace.actor is None and trace.actor_is_admin else None
    yield "environment", trace.environment
    yield "recorded because", trace.enabled_by.replace("_", " ")
    yield "trace level", trace.trace_level
    yield "process", trace.owner_process_id


def _http(trace: TraceRecord) -> Facts:
    yield "request", " ".join(part for part in (trace.method, trace.path) if part) or None
    yield "client", trace.client
    yield "HTTP status", None if trace.http_status is None else str(trace.http_status)
    yield "content type", trace.content_type
    yield "content encoding", trace.content_encoding
    yield "framing", trace.framing


def _answer(trace: TraceRecord) -> Facts:
    yield "wire format", trace.wire_format
    yield "model", trace.model
    yield "input tokens", _tokens(trace.input_tokens)
    yield "output tokens", _tokens(trace.output_tokens)
    for name, count in (trace.usage or {}).items():
        if name not in ("input_tokens", "output_tokens"):
            yield str(name).replace("_", " "), f"{count:,}" if isinstance(count, int | float) else str(count)
    yield "tool calls", f"{trace.tool_calls:,}"


def _volume(trace: TraceRecord) -> Facts:
    yield "frames", f"{trace.frames:,}"
    yield "keepalives", f"{trace.keepalives:,}"
    yield "undecoded frames", f"{trace.frames_undecoded:,}" if trace.frames_undecoded else None
    yield "events", _account(trace.events_seen, trace.events_stored, trace.events_dropped)
    yield "bytes seen", exact_size(trace.bytes_seen)
    yield "bytes stored", exact_size(trace.bytes_stored)
    yield "bytes dropped", exact_size(trace.bytes_dropped)
    yield "payloads cut", f"{trace.payloads_cut:,}" if trace.payloads_cut else None
    yield "payloads redacted", f"{trace.payloads_redacted:,}" if trace.payloads_redacted else None
    yield "payloads deleted", "yes" if trace.payloads_deleted else None
    yield "last seq", f"{trace.last_seq:,}"


def _links(trace: TraceRecord) -> Facts:
    yield "parent trace", trace.parent_trace_id
    yield "parent span", trace.parent_span_id
    yield "root trace", trace.root_trace_id
    yield "traceparent", trace.traceparent
    yield "tracestate", trace.tracestate


def _metadata(trace: TraceRecord) -> Facts:
    for name, value in (trace.metadata or {}).items():
        yield str(name), value if isinstance(value, str) else json_text.encode(value)


def _at(offset: int | None) -> str | None:
    return "never" if offset is None else f"{offset_text(offset)} ({duration_text(offset)})"


def _tokens(count: int | None) -> str:
    return "not reported" if count is None else f"{count:,}"


def _account(seen: int, stored: int, dropped: int) -> str:
    return f"{seen:,} seen, {stored:,} stored, {dropped:,} dropped"


_GROUPS: tuple[tuple[str, Callable[[TraceRecord], Facts]], ...] = (
    ("ENDING", _ending),
    ("TIME", _time),
    ("WHO AND WHERE", _identity),
    ("HTTP", _http),
    ("ANSWER", _answer),
    ("VOLUME", _volume),
    ("LINKS", _links),
    ("METADATA", _metadata),
)
