"""Log lines on the logger `tracekit.traces`: ended traces at INFO, failed ones at WARNING, beginnings at DEBUG.

Every line stays one line, whatever a client has put into a name. Nothing that was said in a chat is logged.
"""

from __future__ import annotations

import logging

from tracekit.config import SystemSettings
from tracekit.hookspecs import hookimpl
from tracekit.terminal_text import fit
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall

__all__ = [
    "tracekit_settings_changed",
    "tracekit_tool_call_failed",
    "tracekit_tool_call_started",
    "tracekit_trace_finished",
    "tracekit_trace_started",
]

logger = logging.getLogger("tracekit.traces")

_BADLY = frozenset({"failed", "interrupted"})
_LONGEST = 100


@hookimpl
def tracekit_trace_started(trace: TraceInfo) -> None:
    """A line at DEBUG: which request is being recorded."""
    logger.debug("trace %s started: %s %s", trace.trace_id, trace.method or "run", _short(trace.path))


@hookimpl
def tracekit_trace_finished(trace: TraceInfo) -> None:
    """The line of a trace: how it ended, how long it took, which model answered."""
    logger.log(
        logging.WARNING if trace.status in _BADLY else logging.INFO,
        "trace %s %s (%s) after %s ms, %s %s, model %s",
        trace.trace_id,
        trace.status,
        trace.end_reason,
        trace.duration_ms,
        trace.method or "run",
        _short(trace.path),
        _short(trace.model),
    )


@hookimpl
def tracekit_tool_call_started(trace: TraceInfo, call: ToolCall) -> None:
    """A line at DEBUG: which tool is called."""
    logger.debug("trace %s calls %s", trace.trace_id, _short(call.name))


@hookimpl
def tracekit_tool_call_failed(trace: TraceInfo, call: ToolCall) -> None:
    """A line at INFO: an agent may mend it, so it is no warning yet."""
    logger.info("trace %s: the call of %s failed", trace.trace_id, _short(call.name))


@hookimpl
def tracekit_settings_changed(old: SystemSettings, new: SystemSettings) -> None:
    """A line at INFO for each setting that changed."""
    before = old.model_dump()
    for name, value in new.model_dump().items():
        if value != before[name]:
            logger.info("setting %s changed from %s to %s", name, before[name], value)


def _short(text: str | None) -> str:
    return fit(text, _LONGEST) if text else "-"
