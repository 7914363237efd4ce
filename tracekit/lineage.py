"""How a run finds its parent: W3C trace context in a request's headers or in the environment of a child process.

`traceparent` carries the id of the parent trace and of the span in it (W3C Trace Context, section 3.2). The root of
the tree travels in `tracestate` under the key `tracekit`. A child process finds both in `TRACEPARENT` and
`TRACESTATE`; programs that know only that find the parent's id in `PARENT_RUN_ID`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from tracekit.context import current_trace
from tracekit.span_context import open_span
from tracekit.trace import TaskTraceRecorder
from tracekit.types import Lineage

__all__ = ["child_environment", "environment_lineage", "inherited", "lineage_of", "trace_headers"]

# Of version 00 nothing follows; of a later one more may, after a dash (W3C Trace Context, section 4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)(?:00|(?P<later>(?!00)[0-9a-f]{2}))-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(?(later)(?:-.*)?)"
)
_ROOT = re.compile(r"(?:^|,)\s*tracekit=root:([0-9a-f]{32})\s*(?:,|$)")
_RUN_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_MOST_STATE = 512


def lineage_of(carrier: Mapping[str, str]) -> Lineage | None:
    """The lineage that headers or an environment carry, names in lower case; None where they carry none, or what
    they carry is malformed."""
    traceparent, state = carrier.get("traceparent", "").strip(), carrier.get("tracestate", "")[:_MOST_STATE]
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is not None:
        parent, span = found["trace"], found["span"]
        root = _ROOT.search(state)
        in_span = span if span != _stand_in(parent) else None
        return Lineage(parent, in_span, root[1] if root else parent, traceparent[:128], state or None)
    run_id = carrier.get("parent_run_id", "").strip().replace("-", "").lower()
    return Lineage(run_id, None, run_id, None, None) if _RUN_ID.fullmatch(run_id) else None


def environment_lineage() -> Lineage | None:
    """The lineage of this process, as its parent has set it."""
    names = ("TRACEPARENT", "TRACESTATE", "PARENT_RUN_ID")
    return lineage_of({name.lower(): os.environ[name] for name in names if name in os.environ})


def inherited(outer: TaskTraceRecorder) -> Lineage:
    """The lineage of a trace that begins inside another one of this process."""
    span = open_span(outer.trace_id)
    return Lineage(outer.trace_id, span.span_id if span else None, _root_of(outer), None, None)


def _stand_in(trace_id: str) -> str:
    """What stands for a span where a trace has none open: the last half of its id, which is random."""
    return trace_id[16:]


def _root_of(trace: TaskTraceRecorder) -> str:
    return trace.lineage.root_trace_id if trace.lineage else trace.trace_id


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` for an outgoing call, so that what it starts joins the running trace; empty
    where nothing is recorded."""
    trace = current_trace()
    if not isinstance(trace, TaskTraceRecorder):
        return {}
    span = open_span(trace.trace_id)
    span_id = span.span_id if span else _stand_in(trace.trace_id)
    return {"traceparent": f"00-{trace.trace_id}-{span_id}-01", "tracestate": f"tracekit=root:{_root_of(trace)}"}


def child_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (left out: this process's environment) with what lets a child process join the running trace.

    Give it to `subprocess`; the environment of this process is not changed.
    """
    environment = dict(os.environ if base is None else base)
    headers = trace_headers()
    if headers:
        environment["TRACEPARENT"] = headers["traceparent"]
        environment["TRACESTATE"] = headers["tracestate"]
        environment["PARENT_RUN_ID"] = headers["traceparent"][3:35]
    return environment
