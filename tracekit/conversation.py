"""The tool calls of a trace put together from its events, for people to read.

What one call may take is bounded, and how many are held: an export is written in constant memory however much a
trace says. Every field of a payload may be of any type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tracekit import json_text
from tracekit.store.records import EventRecord
from tracekit.types import EventType

__all__ = ["RecordedCall", "RecordedCalls", "value_text"]

# Ids and names are short by nature.
_LONGEST_NAME = 200

# Characters of JSON that are read well on one line.
_LONGEST_LINE = 80

TOOL_EVENTS = frozenset(
    {EventType.TOOL_STARTED, EventType.TOOL_ARGUMENTS, EventType.TOOL_FINISHED, EventType.TOOL_FAILED}
)

__all__ += ["TOOL_EVENTS"]


@dataclass(slots=True)
class RecordedCall:
    """One tool call. Texts are as recorded, not yet safe for a terminal; None is what no event said."""

    offset_us: int
    """When it began, from the start of the trace."""
    id: str | None = None
    name: str | None = None
    arguments: str | None = None
    result: str | None = None
    error: str | None = None
    duration_us: int | None = None
    """None while it has not ended, or where only one end was seen."""
    ended: bool = False


class RecordedCalls:
    """Takes tool events in order; `calls` are the calls they amount to, in the order in which they began."""

    def __init__(self, *, most: int = 200, longest: int = 8000) -> None:
        """Hold `most` calls, and of each text as many characters as `longest` says."""
        self.calls: list[RecordedCall] = []
        self.left_out = 0
        """Events of calls that found no room."""
        self._open: dict[str | None, RecordedCall] = {}
        self._most = most
        self._longest = longest

    @classmethod
    def of(cls, events: Iterable[EventRecord]) -> RecordedCalls:
        """The calls of a trace; events of other types are passed over."""
        collected = cls()
        for event in events:
            if event.event_type in TOOL_EVENTS:
                collected.add(event)
        return collected

    def add(self, event: EventRecord) -> None:
        """Take one tool event."""
        payload = event.payload or {}
        call = self._call_of(event, payload)
        if call is None:
            self.left_out += 1
            return
        call.id = call.id or _text(payload.get("id"))
        call.name = call.name or _text(payload.get("name"))
        if "arguments" in payload:
            call.arguments = self._value(payload["arguments"])
        if event.event_type in (EventType.TOOL_FINISHED, EventType.TOOL_FAILED):
            self._end(call, event, payload)

    def _call_of(self, event: EventRecord, payload: dict[str, Any]) -> RecordedCall | None:
        """The call an event belongs to: by its id; by its name while no id is known; an unknown one begins here."""
        by_id, by_name = (_key(field, payload) for field in ("id", "name"))
        call = self._open.get(by_id)
        if call is None and event.event_type != EventType.TOOL_STARTED:
            call = self._open.get(by_name)
        if call is None:
            if len(self.calls) >= self._most:
                return None
            call = RecordedCall(event.offset_us)
            self.calls.append(call)
        if by_id:
            self._forget(by_name, call)
        if by_id or by_name:
            self._open[by_id or by_name] = call
        return call

    def _forget(self, key: str | None, call: RecordedCall) -> None:
        if self._open.get(key) is call:
            del self._open[key]

    def _end(self, call: RecordedCall, event: EventRecord, payload: dict[str, Any]) -> None:
        if payload.get("result") is not None:
            call.result = self._value(payload["result"])
        if event.event_type == EventType.TOOL_FAILED or payload.get("is_error") is True:
            call.error = self._value(payload.get("error")) if payload.get("error") is not None else "failed"
        else:
            call.error = None
        call.ended = True
        self._forget(_key("name", payload), call)
        spent = payload.get("duration_us")
        if isinstance(spent, int) and not isinstance(spent, bool) and spent >= 0:
            call.duration_us = spent

    def _value(self, value: Any) -> str:
        text = value_text(value)
        if len(text) <= self._longest:
            return text
        return f"{text[: self._longest]}\n[cut here: {len(text):,} characters in all]"


def value_text(value: Any) -> str:
    """A recorded value to be read: text as it is, everything else as JSON, indented where it is long."""
    if isinstance(value, str):
        return value
    compact = json_text.encode(value)
    return compact if len(compact) <= _LONGEST_LINE else json_text.indented(value)


def _key(field: str, payload: dict[str, Any]) -> str | None:
    value = payload.get(field)
    return f"{field} {value[:_LONGEST_NAME]}" if isinstance(value, str) and value else None


def _text(value: object) -> str | None:
    return value[:_LONGEST_NAME] if isinstance(value, str) and value else None
