"""A trace as nodes and links: its spans, its tool calls, the runs it began, and the run that began it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, select

from tracekit.errors import InvalidInput
from tracekit.store.engine import Database
from tracekit.store.records import EventRecord
from tracekit.store.rows import SPANS, TRACES, TraceHead, find_head, plain_id
from tracekit.store.span_trees import Place, SpanHead, places
from tracekit.store.spans import count_spans
from tracekit.store.tree_records import Graph, GraphLink, GraphNode
from tracekit.store.windows import read_window
from tracekit.types import EventType, SpanStatus

__all__ = ["GraphReader"]

_MOST_NODES = 20_000
_MOST_RUNS = 200
_MOST_GENERATIONS = 20
_MOST_TOOL_EVENTS = 10_000

_TOOL_TYPES = (EventType.TOOL_STARTED.value, EventType.TOOL_FINISHED.value, EventType.TOOL_FAILED.value)

_KEY = bindparam("key", type_=BigInteger)
_RUN_COLUMNS = [
    TRACES.c[name]
    for name in (
        "trace_id", "name", "method", "path", "status", "started_at", "ended_at", "parent_trace_id", "parent_span_id",
    )
]  # fmt: skip
_RUN = select(*_RUN_COLUMNS).where(TRACES.c.trace_id == bindparam("trace_id"))
_CHILDREN = (
    select(*_RUN_COLUMNS)
    .where(TRACES.c.parent_trace_id.in_(bindparam("parents", expanding=True)))
    .order_by(TRACES.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)
_SPANS: Select[Any] = (
    select(*(SPANS.c[name] for name in SpanHead._fields), SPANS.c.layer, SPANS.c.status, SPANS.c.ended_at)
    .where(SPANS.c.trace_key == _KEY)
    .order_by(SPANS.c.started_at, SPANS.c.span_id)
    .limit(bindparam("limit", type_=BigInteger))
)


class _Runs(NamedTuple):
    """The runs around a trace by generation: -1 is the one that began it."""

    rows: Sequence[tuple[int, Row[Any]]]
    all_of_them: bool


class _Call(NamedTuple):
    """A tool call: the events that began and ended it; the second is None while it runs."""

    began: EventRecord
    ended: EventRecord | None


class _Calls(NamedTuple):
    """The tool calls of a trace in order."""

    calls: Sequence[_Call]
    all_of_them: bool


class GraphReader:
    """Draws traces of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def graph(self, trace_id: str, limit: int) -> Graph:
        """The graph of a trace with at most `limit` spans, tool calls and runs. Raises NotFound and InvalidInput."""
        if not 1 <= limit <= _MOST_NODES:
            raise InvalidInput(f"limit: between 1 and {_MOST_NODES}", field="limit")
        with self._database.reading() as connection:
            head = find_head(connection, trace_id)
            runs = _runs(connection, plain_id(trace_id))
            spans = connection.execute(_SPANS, {"key": head.key, "limit": limit}).all()
            further = count_spans(connection, head.key) - limit if len(spans) == limit else 0
            calls = _calls(connection, head)
        drawing = _Drawing(plain_id(trace_id))
        drawing.add_runs(runs.rows)
        drawing.add_spans(spans)
        drawing.add_calls(calls.calls[: limit - len(spans)])
        drawing.link_runs(runs.rows)
        left_out = further + max(len(calls.calls) - (limit - len(spans)), 0)
        all_of_it = not left_out and runs.all_of_them and calls.all_of_them
        return Graph(drawing.nodes, drawing.links, left_out, not all_of_it)


class _Drawing:
    """Nodes and links as they come together."""

    def __init__(self, trace_id: str) -> None:
        self.nodes: list[GraphNode] = []
        self.links: list[GraphLink] = []
        self._trace_id = trace_id
        self._ids: set[str] = set()

    def _add(self, node: GraphNode) -> None:
        self.nodes.append(node)
        self._ids.add(node.id)

    def _source(self, trace_id: str, span_id: str | None) -> str:
        """The span where something began, if it is drawn, else its trace."""
        span = f"span:{span_id}"
        return span if trace_id == self._trace_id and span in self._ids else f"trace:{trace_id}"

    def add_runs(self, rows: Sequence[tuple[int, Row[Any]]]) -> None:
        for generation, row in rows:
            self._add(_run_node(generation, row))

    def link_runs(self, rows: Sequence[tuple[int, Row[Any]]]) -> None:
        for _, row in rows:
            source = self._source(str(row.parent_trace_id), row.parent_span_id)
            if source in self._ids and row.parent_trace_id != row.trace_id:
                self.links.append(GraphLink(source, f"trace:{row.trace_id}", "child_run"))

    def add_spans(self, rows: Sequence[Row[Any]]) -> None:
        facts = {row.span_id: row for row in rows}
        for place in places([SpanHead(*row[: len(SpanHead._fields)]) for row in rows]):
            node = _span_node(self._trace_id, place, facts[place.span_id])
            self._add(node)
            self.links.append(GraphLink(self._source(self._trace_id, place.parent), node.id, "span"))

    def add_calls(self, calls: Collection[_Call]) -> None:
        for call in calls:
            node = _call_node(self._trace_id, call)
            self._add(node)
            self.links.append(GraphLink(self._source(self._trace_id, call.began.span_id), node.id, "tool_call"))


def _runs(connection: Connection, trace_id: str) -> _Runs:
    """The trace itself, the one that began it, and those it began, generation after generation."""
    own = connection.execute(_RUN, {"trace_id": trace_id}).one()
    found = [(0, own)]
    seen = {own.trace_id}
    above = connection.execute(_RUN, {"trace_id": own.parent_trace_id}).first() if own.parent_trace_id else None
    if above is not None and above.trace_id not in seen:
        found.append((-1, above))
        seen.add(above.trace_id)
    parents, generation = [own.trace_id], 0
    while parents and generation < _MOST_GENERATIONS:
        generation += 1
        room = _MOST_RUNS + 1 - len(found)
        rows = connection.execute(_CHILDREN, {"parents": parents, "limit": room + 1}).all()
        # A run that names one of its own children as its parent would lead round for ever.
        new = [row for row in rows if row.trace_id not in seen]
        found += [(generation, row) for row in new[:room]]
        seen.update(row.trace_id for row in new)
        parents = [row.trace_id for row in new]
        if len(rows) > room:
            return _Runs(found, False)
    return _Runs(found, not parents)


def _calls(connection: Connection, head: TraceHead) -> _Calls:
    """The tool calls of a trace. An end belongs to the last call of its id, or of its name, that is open."""
    calls: dict[int, _Call] = {}
    open_calls: dict[str, EventRecord] = {}
    window = read_window(connection, head, 0, _MOST_TOOL_EVENTS, _TOOL_TYPES)
    for event in window.events:
        key = _text(event, "id") or _text(event, "name") or ""
        if event.event_type == EventType.TOOL_STARTED:
            open_calls[key] = event
            calls[event.seq] = _Call(event, None)
        else:
            began = open_calls.pop(key, event)
            calls[began.seq] = _Call(began, event)
    return _Calls(list(calls.values()), not window.more)


def _text(event: EventRecord, field: str) -> str | None:
    value = (event.payload or {}).get(field)
    return value[:200] if isinstance(value, str) and value else None


def _run_node(generation: int, row: Row[Any]) -> GraphNode:
    label = row.name or " ".join(part for part in (row.method, row.path) if part) or row.trace_id
    return GraphNode(
        id=f"trace:{row.trace_id}",
        kind="trace",
        label=label[:200],
        status=row.status,
        layer=None,
        trace_id=row.trace_id,
        span_id=None,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_us=_between(row.started_at, row.ended_at),
        depth=generation,
    )


def _span_node(trace_id: str, place: Place, row: Row[Any]) -> GraphNode:
    return GraphNode(
        id=f"span:{place.span_id}",
        kind="span",
        label=row.step_name,
        status=row.status,
        layer=row.layer,
        trace_id=trace_id,
        span_id=place.span_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_us=_between(row.started_at, row.ended_at),
        depth=place.depth,
    )


def _call_node(trace_id: str, call: _Call) -> GraphNode:
    ended_at = call.ended.timestamp if call.ended else None
    return GraphNode(
        id=f"tool:{call.began.seq}",
        kind="tool_call",
        label=_text(call.began, "name") or (_text(call.ended, "name") if call.ended else None) or "tool call",
        status=_status(call),
        layer=None,
        trace_id=trace_id,
        span_id=call.began.span_id,
        started_at=call.began.timestamp,
        ended_at=ended_at,
        duration_us=_between(call.began.timestamp, ended_at),
        depth=0,
    )


def _status(call: _Call) -> str:
    if call.ended is None:
        return SpanStatus.RUNNING.value
    failed = call.ended.event_type == EventType.TOOL_FAILED or (call.ended.payload or {}).get("is_error") is True
    return (SpanStatus.FAILED if failed else SpanStatus.SUCCESS).value


def _between(started_at: int, ended_at: int | None) -> int | None:
    return None if ended_at is None else max(ended_at - started_at, 0)
