"""Tool calls that the app tells of by itself, beside those that its stream shows.

The same call may be told of by both; its id joins them. The app knows more (the result, the error, how long it
took), so once it has told of a call, the stream's word on how that call began and ended is not told again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracekit.plugins import PluginHost
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall
from tracekit.types import EventType

__all__ = ["BY_APP", "SaidCalls"]

BY_APP = "app"
"""Stands under `said_by` in the events of a call that the app tells of."""

# Ids that are remembered. A trace with more calls than that shows some of them twice.
_MOST_IDS = 10_000

_ENDS = frozenset({EventType.TOOL_FINISHED.value, EventType.TOOL_FAILED.value})
_EVENTS = _ENDS | {EventType.TOOL_STARTED.value}


class SaidCalls:
    """Follows what the app says of its calls. `add_event(offset_us, event_type, payload)` takes what plugins add."""

    def __init__(
        self, plugins: PluginHost, info: TraceInfo, add_event: Callable[[int, EventType, dict[str, Any]], None]
    ) -> None:
        self._plugins = plugins
        self._info = info
        self._add_event = add_event
        self._by_app: set[str] = set()
        self._in_stream: set[str] = set()

    def __contains__(self, call_id: object) -> bool:
        """Whether the app has told of the call with this id."""
        return call_id in self._by_app

    def seen_in_stream(self, call_id: str | None) -> None:
        """The stream has told that this call began."""
        if call_id is not None and len(self._in_stream) < _MOST_IDS:
            self._in_stream.add(call_id)

    @property
    def only_said(self) -> int:
        """How many calls the app has told of that the stream did not show."""
        return len(self._by_app - self._in_stream)

    def take(self, offset_us: int, event_type: str, payload: object) -> None:
        """An event of the app, which is recorded already; one that tells of no call is passed over."""
        if event_type not in _EVENTS or not isinstance(payload, dict) or payload.get("said_by") != BY_APP:
            return
        call_id, name = payload.get("id"), payload.get("name")
        if isinstance(call_id, str) and isinstance(name, str):
            self._tell(offset_us, event_type, _call(call_id, name, payload, failed=event_type == EventType.TOOL_FAILED))

    def _tell(self, offset_us: int, event_type: str, call: ToolCall) -> None:
        known = call.id in self._by_app or call.id in self._in_stream
        if call.id is not None and len(self._by_app) < _MOST_IDS:
            self._by_app.add(call.id)
        if not known:
            self._plugins.tool_call_started(self._info, call)
        if event_type == EventType.TOOL_FAILED:
            self._plugins.tool_call_failed(self._info, call)
        elif event_type == EventType.TOOL_FINISHED:
            for artifact in self._plugins.tool_call_finished(self._info, call):
                self._add_event(offset_us, EventType.ARTIFACT_ADDED, {"tool_call_id": call.id, **artifact})


def _call(call_id: str, name: str, payload: dict[str, Any], *, failed: bool) -> ToolCall:
    result = payload.get("error") if failed else payload.get("result")
    return ToolCall(
        id=call_id,
        name=name,
        arguments=payload.get("arguments"),
        kind=BY_APP,
        result=result,
        is_error=failed,
        has_result=result is not None,
    )
