"""A trace as nodes and links: its spans, tool calls, the runs it began and the one that began it."""

from __future__ import annotations

import pytest
from question_rows import NOW, SECOND, ended, span_id, write_event, write_running, write_steps
from trace_rows import Single, change_trace, write_trace

from tracekit.errors import InvalidInput, NotFound
from tracekit.store import Database, TraceStore
from tracekit.store.tree_records import Graph, GraphNode


def graph(database: Database, trace_id: str, limit: int = 2000) -> Graph:
    found = TraceStore(database).graph(trace_id, limit=limit)
    ids = [node.id for node in found.nodes]
    assert len(set(ids)) == len(ids)
    # d3-force refuses a link to a node that is not there.
    assert {end for link in found.links for end in (link.source, link.target)} <= set(ids)
    return found


def links(found: Graph) -> set[tuple[str, str, str]]:
    """Links between labels."""
    labels = {node.id: node.label for node in found.nodes}
    return {(labels[link.source], labels[link.target], link.kind) for link in found.links}


def node(found: Graph, label: str) -> GraphNode:
    (one,) = [node for node in found.nodes if node.label == label]
    return one


def test_spans_hang_on_their_trace_and_on_one_another(database: Database) -> None:
    """Each with status, layer, times and depth."""
    trace_id = write_trace(database, name="nightly")
    write_steps(
        database,
        trace_id,
        {"span_id": "run", "layer": "L1"},
        ended("fetch", "failed", parent_span_id="run", layer="L3"),
    )
    found = graph(database, trace_id)
    assert links(found) == {("nightly", "run", "span"), ("run", "fetch", "span")}
    fetch = node(found, "fetch")
    assert (fetch.id, fetch.kind, fetch.status, fetch.layer, fetch.depth) == (
        f"span:{span_id('fetch')}", "span", "failed", "L3", 1,
    )  # fmt: skip
    assert (fetch.duration_us, node(found, "run").duration_us) == (SECOND, None)
    assert (found.left_out, found.truncated) == (0, False)


def test_a_tool_call_hangs_on_the_span_that_made_it(database: Database) -> None:
    """One that ended with its duration and how; one that did not runs; one of no span hangs on the trace."""
    trace_id = write_trace(database, name="chat")
    write_steps(database, trace_id, {"span_id": "plan"})
    span = span_id("plan")
    write_event(database, trace_id, "tool.started", {"id": "1", "name": "search"}, span, timestamp=NOW)
    write_event(database, trace_id, "tool.started", {"id": "2", "name": "fetch"}, timestamp=NOW)
    write_event(database, trace_id, "tool.failed", {"id": "1"}, span, timestamp=NOW + SECOND)
    write_event(database, trace_id, "tool.finished", {"name": "late"}, timestamp=NOW + SECOND)
    found = graph(database, trace_id)
    assert links(found) == {
        ("chat", "plan", "span"),
        ("plan", "search", "tool_call"),
        ("chat", "fetch", "tool_call"),
        ("chat", "late", "tool_call"),
    }
    search, fetch = node(found, "search"), node(found, "fetch")
    assert (search.status, search.duration_us, search.span_id) == ("failed", SECOND, span)
    assert (fetch.status, fetch.duration_us) == ("running", None)
    assert node(found, "late").status == "success"


def test_a_result_that_says_it_is_an_error_is_a_failed_call(database: Database) -> None:
    """As some providers tell it."""
    timeline = [Single("tool.started", {"name": "t"}), Single("tool.finished", {"name": "t", "is_error": True})]
    found = graph(database, write_trace(database, timeline))
    assert node(found, "t").status == "failed"


def test_runs_hang_on_what_began_them(database: Database) -> None:
    """A child on the span that began it, where that is known; children of children too; and the parent above."""
    above = write_trace(database, name="above")
    trace_id = write_running(database, name="this", parent_trace_id=above, parent_span_id="f" * 16)
    write_steps(database, trace_id, {"span_id": "spawn"})
    child = write_trace(database, name="child", parent_trace_id=trace_id, parent_span_id=span_id("spawn"))
    write_trace(database, name="sibling", parent_trace_id=trace_id, parent_span_id="e" * 16)
    write_trace(database, name="grandchild", parent_trace_id=child, status="failed")
    found = graph(database, trace_id)
    assert links(found) == {
        ("above", "this", "child_run"),
        ("this", "spawn", "span"),
        ("spawn", "child", "child_run"),
        ("this", "sibling", "child_run"),
        ("child", "grandchild", "child_run"),
    }
    depths = {node.label: node.depth for node in found.nodes if node.kind == "trace"}
    assert depths == {"above": -1, "this": 0, "child": 1, "sibling": 1, "grandchild": 2}


def test_a_parent_that_is_not_recorded_is_left_out(database: Database) -> None:
    """No link leads nowhere."""
    trace_id = write_trace(database, method="POST", path="/chat", parent_trace_id="f" * 32)
    found = graph(database, trace_id)
    assert ([node.label for node in found.nodes], found.links) == (["POST /chat"], [])


def test_runs_in_a_circle_are_drawn_once(database: Database) -> None:
    """A run that is its own grandchild, and one that is its own parent."""
    first = write_trace(database, name="first")
    second = write_trace(database, name="second", parent_trace_id=first)
    change_trace(database, first, parent_trace_id=second)
    assert {node.label for node in graph(database, first).nodes} == {"first", "second"}
    alone = write_trace(database, name="alone")
    change_trace(database, alone, parent_trace_id=alone)
    found = graph(database, alone)
    assert ([node.label for node in found.nodes], found.links) == (["alone"], [])


def test_spans_in_a_circle_are_drawn_as_the_tree_cuts_them(database: Database) -> None:
    """Every node hangs on something."""
    trace_id = write_trace(database, name="t")
    write_steps(
        database,
        trace_id,
        {"span_id": "one", "parent_span_id": "two", "started_at": NOW - SECOND},
        {"span_id": "two", "parent_span_id": "one", "started_at": NOW},
        {"span_id": "lost", "parent_span_id": "nobody"},
    )
    assert links(graph(database, trace_id)) == {("t", "one", "span"), ("one", "two", "span"), ("t", "lost", "span")}


def test_what_finds_no_room_is_counted(database: Database) -> None:
    """Spans come first, then tool calls."""
    timeline = [Single("tool.started", {"id": f"{n}", "name": f"tool {n}"}) for n in range(4)]
    trace_id = write_trace(database, timeline)
    write_steps(database, trace_id, *({"span_id": f"s{n}", "started_at": NOW + n} for n in range(3)))
    found = graph(database, trace_id, limit=5)
    assert [node.kind for node in found.nodes] == ["trace", "span", "span", "span", "tool_call", "tool_call"]
    assert (found.left_out, found.truncated) == (2, True)
    assert graph(database, trace_id, limit=1).left_out == 6


def test_of_very_many_runs_two_hundred_are_drawn(database: Database) -> None:
    """And the graph says that it is not all."""
    trace_id = write_trace(database)
    for _ in range(201):
        write_trace(database, parent_trace_id=trace_id)
    found = graph(database, trace_id)
    assert (len(found.nodes), found.truncated) == (201, True)


def test_generations_are_followed_so_far(database: Database) -> None:
    """Twenty of them; a longer line of runs is said to go on."""
    trace_id = parent = write_trace(database)
    for _ in range(22):
        parent = write_trace(database, parent_trace_id=parent)
    found = graph(database, trace_id)
    assert (len(found.nodes), found.truncated) == (21, True)


def test_hostile_tool_events_do_no_harm(database: Database) -> None:
    """Any type in any place."""
    odd = [None, 1, [], {"a": 1}, "x" * 5000, True]
    timeline = [Single(f"tool.{what}", {"id": v, "name": v}) for v in odd for what in ("started", "finished", "failed")]
    found = graph(database, write_trace(database, timeline))
    assert all(len(node.label) <= 200 for node in found.nodes)


@pytest.mark.parametrize("limit", [0, 20_001])
def test_a_limit_out_of_range_is_refused(database: Database, limit: int) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="limit"):
        TraceStore(database).graph(write_trace(database), limit=limit)


def test_an_unknown_trace_has_no_graph(database: Database) -> None:
    """It is not found, nor is what is no id."""
    for unknown in ("0" * 32, "x"):
        with pytest.raises(NotFound):
            TraceStore(database).graph(unknown)
