"""The spans of a trace as a tree: whatever their parents say, in linear time."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from question_rows import MINUTE, NOW, SECOND, ended, span_id, write_many_spans, write_steps
from sqlalchemy import insert, select
from trace_rows import SPANS, TRACES, write_trace

from tracekit.errors import InvalidInput, NotFound
from tracekit.store import Database, TraceStore
from tracekit.store.span_trees import Place, SpanHead, places
from tracekit.store.tree_records import SpanNode


def tree(database: Database, trace_id: str) -> list[SpanNode]:
    """All pages of the tree."""
    items: list[SpanNode] = []
    cursor = None
    while True:
        page = TraceStore(database).spans(trace_id, cursor=cursor, limit=5000)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def outline(nodes: list[SpanNode]) -> list[str]:
    """Each step behind as many dots as it is deep."""
    return ["." * node.depth + node.step_name for node in nodes]


def chain(database: Database, depth: int) -> str:
    """A trace with spans that lie in one another, so many deep."""
    trace_id = write_trace(database)
    with database.writing() as connection:
        key = connection.execute(select(TRACES.c.id).where(TRACES.c.trace_id == trace_id)).scalar_one()
        blank = {"trace_key": key, "status": "success", "ended_at": NOW}
        rows = [
            {
                **blank,
                "span_id": f"{n:016x}",
                "parent_span_id": f"{n - 1:016x}" if n else None,
                "step_name": f"{n}",
                "started_at": NOW - MINUTE + n,
            }
            for n in range(depth)
        ]
        connection.execute(insert(SPANS), rows)
    return trace_id


def test_parents_come_before_their_children_and_siblings_in_order(database: Database) -> None:
    """With depth, path and the number of children."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "b", "parent_span_id": "run", "started_at": NOW - 2 * SECOND},
        {"span_id": "deep", "parent_span_id": "b", "started_at": NOW - SECOND},
        {"span_id": "a", "parent_span_id": "run", "started_at": NOW - 3 * SECOND},
        {"span_id": "run", "started_at": NOW - 4 * SECOND},
        {"span_id": "next", "started_at": NOW},
    )
    nodes = tree(database, trace_id)
    assert outline(nodes) == ["run", ".a", ".b", "..deep", "next"]
    assert nodes[3].path == ("run", "b", "deep")
    assert [node.children for node in nodes] == [2, 0, 1, 0, 0]
    assert not any(node.orphan or node.cycle for node in nodes)


def test_facts_of_a_span_come_along_in_short(database: Database) -> None:
    """Status, reason, times; long texts are cut."""
    trace_id = write_trace(database)
    long = '"' + "x" * 5000 + '"'
    step = ended(
        "a", "failed", 3 * SECOND, layer="L3", kind="http", reason_code="TIMEOUT", input_summary=long, error="no"
    )
    write_steps(database, trace_id, step, {"span_id": "open"})
    opened, node = tree(database, trace_id)
    assert (node.status, node.reason_code, node.layer, node.kind) == ("failed", "TIMEOUT", "L3", "http")
    assert (node.duration_us, opened.duration_us) == (3 * SECOND, None)
    assert node.input_preview is not None
    assert (len(node.input_preview), node.output_preview, node.error_preview) == (301, None, "no")


def test_a_span_whose_parent_is_unknown_is_a_root(database: Database) -> None:
    """And marked, with what is in it below it."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "lost", "parent_span_id": "nobody"},
        {"span_id": "child", "parent_span_id": "lost"},
    )
    nodes = tree(database, trace_id)
    assert outline(nodes) == ["lost", ".child"]
    assert [(node.orphan, node.parent_span_id) for node in nodes] == [
        (True, span_id("nobody")), (False, span_id("lost")),
    ]  # fmt: skip


def test_parents_in_a_circle_are_cut_above_the_one_that_began_first(database: Database) -> None:
    """What hangs on the circle stays where it hangs, whenever it began; a span in itself is a circle too."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        {"span_id": "two", "parent_span_id": "one", "started_at": NOW - 5 * SECOND},
        {"span_id": "three", "parent_span_id": "two", "started_at": NOW - 4 * SECOND},
        {"span_id": "one", "parent_span_id": "three", "started_at": NOW - 6 * SECOND},
        {"span_id": "hangs", "parent_span_id": "three", "started_at": NOW - 9 * SECOND},
        {"span_id": "self", "parent_span_id": "self", "started_at": NOW},
    )
    nodes = tree(database, trace_id)
    assert outline(nodes) == ["one", ".two", "..three", "...hangs", "self"]
    assert [node.step_name for node in nodes if node.cycle] == ["one", "self"]


def test_a_tree_ten_thousand_deep_is_a_tree_like_others(database: Database) -> None:
    """Page by page, with the end of each path."""
    depth = 10_000
    trace_id = chain(database, depth)
    nodes = tree(database, trace_id)
    assert [node.depth for node in nodes] == [*range(depth)]
    assert nodes[-1].path == ("…", *(str(n) for n in range(depth - 11, depth)))
    assert nodes[11].path == tuple(str(n) for n in range(12))
    page = TraceStore(database).spans(trace_id, limit=100, cursor="9950")
    assert (len(page.items), page.next_cursor, page.total, page.left_out) == (50, None, depth, 0)


def test_of_a_tree_too_large_to_hold_the_last_spans_are_left_out(database: Database) -> None:
    """And counted."""
    trace_id = write_trace(database)
    rows = ({"layer": None, "started_at": NOW - MINUTE + n, "took": 1} for n in range(50_003))
    write_many_spans(database, trace_id, rows)
    page = TraceStore(database).spans(trace_id, limit=1)
    assert (page.total, page.left_out) == (50_003, 3)
    assert page.items[0].started_at == NOW - MINUTE


def test_pages_give_each_span_once(database: Database) -> None:
    """Reading on from the cursor; one past the end is an empty page."""
    trace_id = write_trace(database)
    write_steps(database, trace_id, *({"span_id": f"s{n}", "started_at": NOW + n} for n in range(7)))
    store = TraceStore(database)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = store.spans(trace_id, limit=3, cursor=cursor)
        seen += [node.step_name for node in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert (seen, pages) == ([f"s{n}" for n in range(7)], 3)
    assert store.spans(trace_id, cursor="99").items == []


@pytest.mark.parametrize("cursor", ["", "-1", "x", "1.5", "１", "9" * 30, "\0"])
def test_what_is_no_cursor_is_refused(database: Database, cursor: str) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="cursor"):
        TraceStore(database).spans(write_trace(database), cursor=cursor)


@pytest.mark.parametrize("limit", [0, 5001])
def test_a_limit_out_of_range_is_refused(database: Database, limit: int) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="limit"):
        TraceStore(database).spans(write_trace(database), limit=limit)


def test_a_trace_without_spans_has_an_empty_tree(database: Database) -> None:
    """An unknown trace has none."""
    store = TraceStore(database)
    page = store.spans(write_trace(database))
    assert (page.items, page.next_cursor, page.total) == ([], None, 0)
    with pytest.raises(NotFound):
        store.spans("0" * 32)


# One span


def test_one_span_comes_whole(database: Database) -> None:
    """Input, output and artifacts as they were given, with class and advice of its reason."""
    trace_id = write_trace(database)
    long = "x" * 5000
    facts: dict[str, Any] = {
        "input_summary": f'{{"text":"{long}"}}',
        "output_summary": "[1,2]",
        "artifacts": '[{"name":"a.csv","uri":"/tmp/a.csv"}]',
        "error": "TimeoutError: no",
        "reason_code": "TIMEOUT",
    }
    write_steps(database, trace_id, ended("a", "failed", **facts))
    span = TraceStore(database).span(trace_id, span_id("a"))
    assert (span.input, span.output, span.error) == ({"text": long}, [1, 2], "TimeoutError: no")
    assert span.artifacts == [{"name": "a.csv", "uri": "/tmp/a.csv"}]
    assert (span.reason_class, span.duration_us) == ("transient", SECOND)


def test_what_is_no_json_in_a_span_is_text(database: Database) -> None:
    """Whatever stands in its columns."""
    trace_id = write_trace(database)
    write_steps(database, trace_id, ended("a", input_summary="{broken", output_summary="7", artifacts='{"one": 1}'))
    span = TraceStore(database).span(trace_id, span_id("a"))
    assert (span.input, span.output, span.artifacts) == ("{broken", 7, [{"one": 1}])


@pytest.mark.parametrize("unknown", ["", "f" * 16, "no such", "\0", "\ud800", "x" * 1000])
def test_an_unknown_span_is_not_found(database: Database, unknown: str) -> None:
    """And says so; nor is one of another trace."""
    trace_id, other = write_trace(database), write_trace(database)
    write_steps(database, other, {"span_id": "a"})
    for span in (unknown, span_id("a")):
        with pytest.raises(NotFound, match="no span"):
            TraceStore(database).span(trace_id, span)


# Any parents at all


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=25), st.randoms(use_true_random=False))
def test_every_span_has_one_place_whatever_its_parent(parents: list[int | None], chance: random.Random) -> None:
    """Each stands once, one deeper than its parent and after it, or is a root for a reason."""
    spans = [
        SpanHead(f"{n}", None if parent is None else f"{parent}", f"step {n}", chance.randrange(5))
        for n, parent in enumerate(parents)
    ]
    chance.shuffle(spans)
    found = places(spans)
    assert sorted(place.span_id for place in found) == sorted(span.span_id for span in spans)
    at = {place.span_id: i for i, place in enumerate(found)}
    said = {span.span_id: span.parent_span_id for span in spans}
    for place in found:
        _check(place, found, at, said[place.span_id])


def _check(place: Place, found: list[Place], at: dict[str, int], said: str | None) -> None:
    assert place.orphan == (said is not None and said not in at)
    if place.parent is None:
        assert place.depth == 0
        assert said is None or place.orphan or place.cycle
        return
    above = found[at[place.parent]]
    assert place.parent == said
    assert (place.depth, at[place.parent] < at[place.span_id]) == (above.depth + 1, True)
    assert place.path[:-1] == above.path
