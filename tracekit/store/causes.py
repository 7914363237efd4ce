"""Why something may be stuck, in words: what is known of it, weighed, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracekit.human_units import counted, duration_text
from tracekit.store.glimpses import LastEvents, Latest
from tracekit.store.question_records import Cause, OpenStep, Owner, RunningTrace
from tracekit.types import EventType, SpanStatus

__all__ = ["Situation", "causes_of"]

# Sending that was blocked for less is no reason to look at the client.
_SLOW_CLIENT_US = 1_000_000

_TOOL_ENDS = (EventType.TOOL_FINISHED, EventType.TOOL_FAILED)
_OF_TOOLS = (EventType.TOOL_STARTED, *_TOOL_ENDS)


class Situation(NamedTuple):
    """What is known of something that is stuck. `now` and `since_at` are moments in microseconds UTC."""

    trace: RunningTrace
    step: OpenStep | None
    owner: Owner | None
    latest: LastEvents
    running_children: int
    since_at: int
    now: int


def causes_of(situation: Situation) -> Sequence[Cause]:
    """What may be the cause; at least one."""
    events = list(situation.latest)
    found = [
        *_of_process(situation),
        *_of_step(situation, events),
        *_of_tools(situation, events),
        *_of_children(situation),
        *_of_stream(situation, events),
    ]
    return found or [_no_sign(situation)]


def _of_process(situation: Situation) -> Iterator[Cause]:
    owner = situation.owner
    if owner is None:
        yield Cause("process_unknown", "no process says that it records it; the one that did is gone", {})
        return
    where: dict[str, str | int] = {"host": owner.host, "pid": owner.pid}
    named = f"its process ({owner.host}, pid {owner.pid})"
    if owner.ended_at is not None:
        gone = max(situation.now - owner.ended_at, 0)
        text = f"{named} ended {duration_text(gone)} ago without ending it"
        yield Cause("process_ended", text, where | {"ended_us": gone})
    elif not owner.alive:
        text = f"{named} has not beaten for {duration_text(owner.since_heartbeat_us)}"
        yield Cause("process_silent", text, where | {"silent_us": owner.since_heartbeat_us})


def _of_step(situation: Situation, events: Sequence[Latest]) -> Iterator[Cause]:
    step = situation.step
    if step is None:
        return
    if step.status == SpanStatus.BLOCKED:
        reason = _reason_given(step, events)
        yield Cause("blocked", f"the step says that it is blocked{': ' + reason if reason else ''}", {"reason": reason})
    elif step.status == SpanStatus.RETRYING:
        yield Cause("retrying", "the step is about to try again, and waits", {})
    elif step.status == SpanStatus.QUEUED:
        yield Cause("queued", "the step is queued, and nobody has taken it up", {})


def _reason_given(step: OpenStep, events: Sequence[Latest]) -> str:
    said = (event.payload for event in events if event.span_id == step.span_id)
    reason = next((payload["reason"] for payload in said if payload.get("reason") is not None), "")
    return str(reason)[:200]


def _of_tools(situation: Situation, events: Sequence[Latest]) -> Iterator[Cause]:
    """A tool call that began and has not ended, as far as the latest events tell."""
    ended: set[object] = set()
    for event in events:
        if event.event_type not in _OF_TOOLS:
            continue
        payload = event.payload
        call = str(payload.get("id") or payload.get("name") or "")[:200]
        if event.event_type in _TOOL_ENDS:
            ended.add(call)
        elif call not in ended:
            waited = max(situation.now - event.timestamp, 0)
            name = str(payload.get("name") or "without a name")[:100]
            text = f"the tool call {name} began {duration_text(waited)} ago and has not ended"
            yield Cause("waits_for_tool", text, {"tool": name, "waited_us": waited})
            return


def _of_children(situation: Situation) -> Iterator[Cause]:
    count = situation.running_children
    if count:
        yield Cause("waits_for_child", f"it may wait for {counted(count, 'child run')} still running", {"count": count})


def _of_stream(situation: Situation, events: Sequence[Latest]) -> Iterator[Cause]:
    trace = situation.trace
    if trace.send_blocked_us >= _SLOW_CLIENT_US:
        text = f"the client reads slowly: {duration_text(trace.send_blocked_us)} blocked in send"
        yield Cause("slow_client", text, {"blocked_us": trace.send_blocked_us})
    if events and events[0].event_type == EventType.STREAM_KEEPALIVE:
        silent = max(situation.now - situation.since_at, 0)
        text = f"keepalives flow, and nothing has been said for {duration_text(silent)}"
        yield Cause("only_keepalives", text, {"silent_us": silent})


def _no_sign(situation: Situation) -> Cause:
    silent = max(situation.now - situation.since_at, 0)
    text = (
        f"its process lives, and has said nothing of it for {duration_text(silent)}: it may wait without a time limit"
    )
    return Cause("no_sign", text, {"silent_us": silent})
