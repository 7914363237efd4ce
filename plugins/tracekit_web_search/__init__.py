"""Bundled plugin: what web searches asked and found, as artifacts of the call."""

from __future__ import annotations

from tracekit_web_search.plugin import tracekit_tool_call_failed, tracekit_tool_call_finished

__all__ = ["tracekit_tool_call_failed", "tracekit_tool_call_finished"]
