"""Events of a trace chosen by phase, layer, span and actor, and its checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import NOW, span_id, write_event, write_steps
from trace_rows import change_trace, frames, write_trace

from tracekit.errors import InvalidInput, NotFound
from tracekit.store import Database, EventFilter, EventPage, TraceStore


@pytest.fixture
def trace_id(database: Database) -> str:
    """Frames 1 to 3, then events 4 to 8 of two phases, two layers and two actors."""
    trace_id = write_trace(database, frames(3))
    write_steps(database, trace_id, {"span_id": "a", "layer": "L1"}, {"span_id": "b", "layer": "L3"})
    a, b = span_id("a"), span_id("b")
    write_event(database, trace_id, "log", {"actor": "planner"}, a, phase="plan")
    write_event(database, trace_id, "log", {"actor": "worker"}, b, phase="plan")
    write_event(database, trace_id, "retry", {"actor": "worker"}, b, phase="work")
    write_event(database, trace_id, "log", {"actor": ["worker"]}, a, phase="work")
    write_event(database, trace_id, "log", None, "f" * 16)
    return trace_id


def page(database: Database, trace_id: str, *, since: int = 0, limit: int = 500, **conditions: Any) -> EventPage:
    types = conditions.pop("types", None)
    filter = EventFilter(**conditions)
    return TraceStore(database).events(trace_id, since_seq=since, limit=limit, types=types, filter=filter)


def seqs(found: EventPage) -> list[int]:
    return [event.seq for event in found.events]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"phase": "plan"}, [4, 5]),
        ({"layer": "L3"}, [5, 6]),
        ({"span": span_id("a")}, [4, 7]),
        ({"actor": "worker"}, [5, 6]),
        ({"phase": "work", "layer": "L3"}, [6]),
        ({"types": ["retry"], "phase": "work"}, [6]),
        ({"types": ["retry"], "phase": "plan"}, []),
        ({"types": ["stream.frame"], "phase": "plan"}, []),
        ({"layer": "L9"}, []),
        ({"span": "f" * 16}, [8]),
        ({"phase": ""}, []),
    ],
)
def test_each_filter_selects(database: Database, trace_id: str, conditions: dict[str, Any], found: list[int]) -> None:
    """An event is shown when it meets every condition; frames meet none of these."""
    assert seqs(page(database, trace_id, **conditions)) == found


def test_a_filtered_list_goes_on_where_its_page_ended(database: Database) -> None:
    """Each event once, and the last page says that it is the last, however few are meant among many."""
    trace_id = write_trace(database)
    for n in range(450):
        write_event(database, trace_id, "log", {"actor": "rare" if n % 100 == 7 else "usual", "n": n})
    first = page(database, trace_id, actor="rare", limit=3)
    assert (seqs(first), first.has_more, first.next_seq) == ([8, 108, 208], True, 208)
    second = page(database, trace_id, actor="rare", limit=3, since=208)
    assert (seqs(second), second.has_more, second.next_seq) == ([308, 408], False, 408)
    assert first.total == 450


@pytest.mark.parametrize("name", ["phase", "layer", "span", "actor"])
@pytest.mark.parametrize("value", ["x" * 257, "\0", "\ud800"])
def test_what_no_event_can_hold_is_refused(database: Database, name: str, value: str) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match=name):
        page(database, write_trace(database), **{name: value})


# Checkpoints


def test_checkpoints_come_with_evidence_and_whether_they_held(database: Database) -> None:
    """A commit is judged by the last verification after it; one without a verification is not judged."""
    trace_id = write_trace(database)
    write_event(database, trace_id, "checkpoint.committed", {"name": "loaded", "evidence": ["s3://a", "row 7"], "n": 3})
    write_event(database, trace_id, "log", {"name": "loaded"})
    write_event(database, trace_id, "checkpoint.verified", {"name": "loaded", "ok": True})
    write_event(database, trace_id, "checkpoint.verified", {"name": "loaded", "ok": False}, phase="check")
    write_event(database, trace_id, "checkpoint.committed", {"name": "loaded"}, "a" * 16)
    first, good, bad, again = TraceStore(database).checkpoints(trace_id)
    assert (first.seq, first.action, first.name) == (1, "committed", "loaded")
    assert (first.evidence, first.facts) == (["s3://a", "row 7"], {"n": 3})
    assert [first.holds, good.holds, bad.holds, again.holds] == [False, True, False, None]
    assert (bad.action, bad.phase, again.span_id) == ("verified", "check", "a" * 16)


@pytest.mark.parametrize("evidence", [None, "one", 7, {"a": 1}, [None, {"a": [1]}, "x"], []])
def test_evidence_of_any_kind_is_references_as_text(database: Database, evidence: Any) -> None:
    """A program that is not ours may send anything."""
    trace_id = write_trace(database)
    payload = {"name": ["odd"], "evidence": evidence, "ok": "perhaps"}
    write_event(database, trace_id, "checkpoint.verified", payload)
    (found,) = TraceStore(database).checkpoints(trace_id)
    assert found.name is None
    assert found.holds is True
    assert all(isinstance(reference, str) for reference in found.evidence)
    assert len(found.evidence) == (len(evidence) if isinstance(evidence, list) else evidence is not None)


def test_a_checkpoint_lies_at_its_time_in_the_trace(database: Database) -> None:
    """As a moment, and from the start."""
    trace_id = write_trace(database, started_at=NOW - 5)
    write_event(database, trace_id, "checkpoint.committed", {}, timestamp=NOW)
    (found,) = TraceStore(database).checkpoints(trace_id)
    assert (found.timestamp, found.offset_us) == (NOW, 5)


def test_a_trace_without_checkpoints_has_none(database: Database) -> None:
    """An unknown one is not found."""
    trace_id = write_trace(database, frames(2))
    change_trace(database, trace_id, payloads_deleted=True)
    assert TraceStore(database).checkpoints(trace_id) == []
    with pytest.raises(NotFound):
        TraceStore(database).checkpoints("0" * 32)
