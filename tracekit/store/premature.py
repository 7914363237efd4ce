"""Traces whose process is gone, ended by another; and given back, where it turns out that it was not gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Text, bindparam, case, delete, func, insert, select, update

from tracekit import json_text
from tracekit.store.rows import EVENTS, SPANS, TRACES, decoded_object
from tracekit.store.span_rows import NOT_ENDED, PROCESS_DIED
from tracekit.types import EndReason, EventType, SpanStatus, TraceStatus

__all__ = ["end_left_behind", "undo_endings"]

_DIED = {"status": TraceStatus.INTERRUPTED.value, "end_reason": EndReason.PROCESS_DIED.value}
_FINISHED = EventType.TRACE_FINISHED.value


_COLUMNS = [TRACES.c[name] for name in ("id", "status", "last_seq", "started_at", "ended_at", "last_event_at")]

_KEY, _AT = (bindparam(name, type_=BigInteger) for name in ("key", "at"))
_LAST_SIGN = func.coalesce(SPANS.c.heartbeat_at, SPANS.c.started_at)

# One of these for each trace, sent together.
_END = (
    update(TRACES)
    .where(TRACES.c.id == _KEY)
    .values(
        **_DIED,
        ended_at=_AT,
        duration_ms=bindparam("duration"),
        last_seq=TRACES.c.last_seq + 1,
        events_seen=TRACES.c.events_seen + 1,
        events_stored=TRACES.c.events_stored + 1,
        bytes_stored=TRACES.c.bytes_stored + bindparam("size"),
        stalled=False,
    )
)
_FAIL_SPANS = (
    update(SPANS)
    .where(SPANS.c.trace_key == _KEY, SPANS.c.ended_at.is_(None))
    .values(
        status=SpanStatus.FAILED.value,
        reason_code="UNEXPECTED_ERROR",
        error=bindparam("why", type_=Text),
        ended_at=case((_LAST_SIGN > _AT, _LAST_SIGN), else_=_AT),
    )
)


def end_left_behind(connection: Connection, keys: Sequence[int], *, found_by: str, detail: str) -> int:
    """End these traces, whose process is gone: those that run as interrupted, with the event that says so, and with
    all of them the spans that are open. How many ran. `found_by`: the process that found it out; `detail`: how."""
    if not keys:
        return 0
    rows = connection.execute(select(*_COLUMNS).where(TRACES.c.id.in_(keys))).all()
    running = [row for row in rows if row.status == TraceStatus.RUNNING]
    if running:
        _end(connection, running, {"detail": detail, "found_by": found_by})
    connection.execute(_FAIL_SPANS, [_failure(row) for row in rows])
    connection.execute(update(TRACES).where(TRACES.c.id.in_(keys)).values(closed=True))
    return len(running)


def _failure(row: Row[Any]) -> dict[str, Any]:
    died = row.status == TraceStatus.RUNNING
    at = row.last_event_at if died else row.ended_at or row.last_event_at
    return {"key": row.id, "at": at, "why": PROCESS_DIED if died else NOT_ENDED}


def _end(connection: Connection, rows: Sequence[Row[Any]], evidence: dict[str, str]) -> None:
    """The last event that was written is the last that is known, so the trace ends there."""
    events, endings = [], []
    for row in rows:
        duration_ms = (row.last_event_at - row.started_at) // 1000
        text = json_text.encode(_DIED | {"duration_ms": duration_ms} | evidence)
        events.append(
            {
                "trace_key": row.id,
                "seq": row.last_seq + 1,
                "last_seq": row.last_seq + 1,
                "event_type": _FINISHED,
                "timestamp": row.last_event_at,
                "payload": text,
                "sealed": False,
            }
        )
        endings.append({"key": row.id, "at": row.last_event_at, "duration": duration_ms, "size": len(text)})
    connection.execute(insert(EVENTS), events)
    connection.execute(_END, endings)


def undo_endings(connection: Connection, process_id: str) -> None:
    """The endings that others have written for this process's traces were premature: give the traces back.

    Not those to which something was added since: their numbers are no longer this process's.
    """
    ended = (
        select(TRACES.c.id, TRACES.c.last_seq, EVENTS.c.payload)
        .join(EVENTS, (EVENTS.c.trace_key == TRACES.c.id) & (EVENTS.c.seq == TRACES.c.last_seq))
        .where(
            TRACES.c.owner_process_id == process_id,
            TRACES.c.end_reason == EndReason.PROCESS_DIED.value,
            EVENTS.c.event_type == _FINISHED,
        )
    )
    for row in connection.execute(ended).all():
        if "found_by" in (decoded_object(row.payload) or {}):
            _undo(connection, row)


def _undo(connection: Connection, row: Row[Any, Any, Any]) -> None:
    connection.execute(delete(EVENTS).where(EVENTS.c.trace_key == row.id, EVENTS.c.seq == row.last_seq))
    connection.execute(
        update(TRACES)
        .where(TRACES.c.id == row.id)
        .values(
            status=TraceStatus.RUNNING.value,
            end_reason=None,
            ended_at=None,
            duration_ms=None,
            last_seq=TRACES.c.last_seq - 1,
            events_seen=TRACES.c.events_seen - 1,
            events_stored=TRACES.c.events_stored - 1,
            bytes_stored=TRACES.c.bytes_stored - len(row.payload or ""),
            closed=False,
        )
    )
    # The process writes them anew with their next beat; until then they are at least not over.
    connection.execute(
        update(SPANS)
        .where(SPANS.c.trace_key == row.id, SPANS.c.error == PROCESS_DIED)
        .values(status=SpanStatus.RUNNING.value, reason_code=None, error=None, ended_at=None)
    )
