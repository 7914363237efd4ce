"""tracekit: the flight recorder for streaming chat.

Each name is loaded when it is first used: a script that only marks its steps should not have to load a database layer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tracekit.version import VERSION as __version__

if TYPE_CHECKING:
    from tracekit.context import TraceIdFilter, current_trace
    from tracekit.errors import TracekitError
    from tracekit.hookspecs import hookimpl
    from tracekit.lineage import child_environment, trace_headers
    from tracekit.middleware import TraceMiddleware
    from tracekit.recorder import Recorder
    from tracekit.spans import span
    from tracekit.tools import tool, tool_call
    from tracekit.types import Actor

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

_HOMES = {
    "Actor": "types",
    "Recorder": "recorder",
    "TraceIdFilter": "context",
    "TraceMiddleware": "middleware",
    "TracekitError": "errors",
    "child_environment": "lineage",
    "current_trace": "context",
    "hookimpl": "hookspecs",
    "span": "spans",
    "tool": "tools",
    "tool_call": "tools",
    "trace_headers": "lineage",
}
"""The module of each name (PEP 562)."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})
