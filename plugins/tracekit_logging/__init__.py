"""Bundled plugin: one line in the app's log for each trace."""

from __future__ import annotations

from tracekit_logging.plugin import (
    tracekit_settings_changed,
    tracekit_tool_call_failed,
    tracekit_tool_call_started,
    tracekit_trace_finished,
    tracekit_trace_started,
)

__all__ = [
    "tracekit_settings_changed",
    "tracekit_tool_call_failed",
    "tracekit_tool_call_started",
    "tracekit_trace_finished",
    "tracekit_trace_started",
]
