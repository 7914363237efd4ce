"""tracekit: the flight recorder for streaming chat."""

from __future__ import annotations

from tracekit.context import TraceIdFilter, current_trace
from tracekit.errors import TracekitError
from tracekit.hookspecs import hookimpl
from tracekit.lineage import child_environment, trace_headers
from tracekit.middleware import TraceMiddleware
from tracekit.recorder import Recorder
from tracekit.spans import span
from tracekit.tools import tool, tool_call
from tracekit.types import Actor
from tracekit.version import VERSION as __version__

__all__ = [
    "Actor",
    "Recorder",
    "TraceIdFilter",
    "TraceMiddleware",
    "TracekitError",
    "__version__",
    "child_environment",
    "current_trace",
    "hookimpl",
    "span",
    "tool",
    "tool_call",
    "trace_headers",
]
