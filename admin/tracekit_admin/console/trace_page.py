"""One trace: what it was, what it said, every frame, where the time went, and what is stored of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field
from starlette.responses import Response

from tracekit import json_text
from tracekit.conversation import TOOL_EVENTS, RecordedCalls
from tracekit.reasons import REASONS
from tracekit.store import TraceRecord, TraceStore
from tracekit_admin.console.screen import shown
from tracekit_admin.console.trace_list import ConsoleListQuery, filter_of, link_values
from tracekit_admin.console.tree_layout import laid_out
from tracekit_admin.console.waterfall import waterfall
from tracekit_admin.operations import Call, Nothing

__all__ = ["TABS", "TraceQuery", "trace_page"]

Tab = Literal["summary", "conversation", "frames", "timeline", "graph", "raw"]
TABS: tuple[Tab, ...] = ("summary", "conversation", "frames", "timeline", "graph", "raw")

_MOST_NODES = 500
_MOST_TOOL_EVENTS = 1000

# Characters of one text that a page shows; the exports have all of it.
_MOST_TEXT = 200_000
_NO_GOOD_NEWS = frozenset(
    {"error", "stream.error", "trace.finished", "trace.truncated", "llm_call.completed", "usage", "stream.keepalive"}
)
_HEAD_EVENTS = ["request.received", "response.started"]


class TraceQuery(ConsoleListQuery):
    """What is shown of a trace. The filters are those of the list that it was opened from."""

    tab: Tab = Field("summary", description="Which side of the trace.")


def trace_page(call: Call[TraceQuery, Nothing]) -> Response:
    """One side of a trace, with its facts above."""
    store, query = call.recorder.store, call.query
    trace = store.get(call.trace_id)
    values = {
        "trace": trace,
        "tab": query.tab,
        "tabs": TABS,
        "filters": {name: value for name, value in link_values(query).items() if name != "tab"},
        "neighbours": store.neighbours(trace.trace_id, filter_of(query)),
        "children": store.children(trace.trace_id, limit=20),
        "formats": sorted(call.recorder.plugins.exporters()),
        "reason": REASONS.get(trace.reason_code or ""),
        **_SIDES[query.tab](store, trace),
    }
    return shown(call, f"trace_{query.tab}.html", values)


def _summary(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    snapshot = store.snapshot(trace.trace_id)
    good = [event for event in snapshot.last_events if event.event_type not in _NO_GOOD_NEWS]
    return {"counts": snapshot.event_counts, "last_good": good[-1] if good else None}


def _conversation(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    texts = store.texts(trace.trace_id)
    events = store.events(trace.trace_id, limit=_MOST_TOOL_EVENTS, types=sorted(TOOL_EVENTS))
    calls = RecordedCalls.of(events.events)
    cut = {name: len(text) - _MOST_TEXT for name, text in _named(texts).items() if len(text) > _MOST_TEXT}
    said = {name: text[:_MOST_TEXT] for name, text in _named(texts).items()}
    return {"said": said, "cut": cut, "calls": calls.calls, "calls_left_out": calls.left_out + events.has_more}


def _named(texts: Any) -> dict[str, str]:
    return {"prompt": texts.prompt, "reasoning": texts.reasoning, "answer": texts.answer}


def _frames(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    return {}


def _timeline(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    return {"waterfall": waterfall(store, trace)}


def _graph(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    graph = store.graph(trace.trace_id, limit=_MOST_NODES)
    return {"graph": graph, "drawn": laid_out(graph)}


def _raw(store: TraceStore, trace: TraceRecord) -> Mapping[str, Any]:
    events = store.events(trace.trace_id, limit=len(_HEAD_EVENTS), types=_HEAD_EVENTS).events
    return {
        "documents": [
            *((event.event_type, _pretty(event.payload)) for event in events),
            ("usage", _pretty(trace.usage)),
            ("metadata", _pretty(trace.metadata)),
        ],
    }


def _pretty(value: Any) -> str:
    return json_text.indented(value)[:_MOST_TEXT]


_SIDES: Mapping[str, Callable[[TraceStore, TraceRecord], Mapping[str, Any]]] = {
    "summary": _summary,
    "conversation": _conversation,
    "frames": _frames,
    "timeline": _timeline,
    "graph": _graph,
    "raw": _raw,
}
