"""What the store answers about the inside of a trace: its spans as a tree, its graph, its checkpoints.

Plain frozen values. Moments are integer microseconds UTC, in fields named `_at` and `timestamp`; lengths of time are
integer microseconds, in fields named `_us`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Checkpoint", "Graph", "GraphLink", "GraphNode", "SpanDetail", "SpanNode", "SpanTreePage"]


@dataclass(frozen=True, slots=True)
class SpanNode:
    """A span in its place in the tree."""

    span_id: str
    parent_span_id: str | None
    depth: int
    """0 for a root."""
    path: Sequence[str]
    """The names of the steps from the root to this one; of a path longer than 12 the end, after `…`."""
    orphan: bool
    """It names a parent that is not stored; it stands as a root."""
    cycle: bool
    """Its parents lead back to itself; the tree is cut here, and it stands as a root."""
    children: int
    layer: str | None
    step_name: str
    kind: str | None
    status: str
    reason_code: str | None
    started_at: int
    ended_at: int | None
    duration_us: int | None
    """None while it is open."""
    heartbeat_at: int | None
    input_preview: str | None
    output_preview: str | None
    error_preview: str | None


@dataclass(frozen=True, slots=True)
class SpanTreePage:
    """A part of the spans of a trace, each before its children, siblings in order of their start."""

    items: Sequence[SpanNode]
    next_cursor: str | None
    total: int
    """Spans stored of this trace."""
    left_out: int
    """Spans that began so late in a trace of so many that the tree does not hold them."""


@dataclass(frozen=True, slots=True)
class SpanDetail:
    """One span with all that is stored of it. What is kept as JSON is decoded."""

    span_id: str
    parent_span_id: str | None
    layer: str | None
    step_name: str
    kind: str | None
    status: str
    reason_code: str | None
    reason_class: str | None
    advice: str | None
    started_at: int
    ended_at: int | None
    duration_us: int | None
    heartbeat_at: int | None
    input: Any
    output: Any
    error: str | None
    artifacts: Sequence[Any]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A thing in a trace. Ids are unique in the graph: `trace:…`, `span:…`, `tool:…`."""

    id: str
    kind: Literal["trace", "span", "tool_call"]
    label: str
    status: str
    layer: str | None
    trace_id: str
    span_id: str | None
    started_at: int
    ended_at: int | None
    duration_us: int | None
    depth: int
    """Of a span, in the tree of spans; of a trace, in the tree of runs, where the one asked for is 0."""


@dataclass(frozen=True, slots=True)
class GraphLink:
    """That one thing began another: `target` was begun in `source`."""

    source: str
    target: str
    kind: Literal["span", "tool_call", "child_run"]


@dataclass(frozen=True, slots=True)
class Graph:
    """A trace as nodes and links, as d3-force takes them."""

    nodes: Sequence[GraphNode]
    links: Sequence[GraphLink]
    left_out: int
    """Nodes that found no room. Where the tree of runs was not followed to its end they are not counted."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state that was reached (`committed`), or looked at again (`verified`)."""

    seq: int
    action: Literal["committed", "verified"]
    name: str | None
    timestamp: int
    offset_us: int
    span_id: str | None
    phase: str | None
    holds: bool | None
    """Of a verification, whether the checkpoint held. Of a commit, what the last verification after it found; None
    where there was none."""
    evidence: Sequence[str]
    """References to what shows it."""
    facts: dict[str, Any]
    """What else was said of it."""
