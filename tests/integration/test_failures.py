"""What failed most: by reason and layer, with the latest of each, what it means and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import HOUR, MINUTE, NOW, ended, span_id, write_steps
from trace_rows import write_trace

from tracekit.errors import InvalidInput
from tracekit.reasons import REASONS
from tracekit.store import Database, TraceStore
from tracekit.store.question_records import Failure, TopFailures


def top(database: Database, hours: float = 24, **options: Any) -> TopFailures:
    return TraceStore(database).top_failures(hours, now=NOW, **options)


def counts(found: TopFailures) -> dict[tuple[str, str | None, str | None], int]:
    return {(item.kind, item.reason_code, item.layer): item.count for item in found.items}


def failed_trace(database: Database, **columns: Any) -> str:
    facts = {"status": "failed", "end_reason": "app_error", "reason_code": "TIMEOUT", "ended_at": NOW - HOUR}
    return write_trace(database, **(facts | columns))


def failed(name: str, **columns: Any) -> dict[str, Any]:
    return ended(name, "failed", **{"reason_code": "TIMEOUT", "layer": "L3", **columns})


def test_spans_are_counted_by_reason_and_layer(database: Database) -> None:
    """The most frequent first; of as many, the latest."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        failed("a"),
        failed("b"),
        failed("c", layer="L4"),
        failed("d", reason_code="RATE_LIMITED", ended_at=NOW - MINUTE),
        failed("e", layer=None),
        ended("well"),
        ended("left", "canceled"),
        {"span_id": "open"},
    )
    found = top(database)
    assert counts(found) == {
        ("span", "TIMEOUT", "L3"): 2,
        ("span", "RATE_LIMITED", "L3"): 1,
        ("span", "TIMEOUT", "L4"): 1,
        ("span", "TIMEOUT", None): 1,
    }
    assert [item.reason_code for item in found.items[:2]] == ["TIMEOUT", "RATE_LIMITED"]
    assert (found.spans, found.traces) == (5, 0)


def test_failed_traces_have_no_layer(database: Database) -> None:
    """They are told apart from spans that name none."""
    trace_id = failed_trace(database)
    failed_trace(database, end_reason="stream_error")
    write_trace(database, status="cancelled", reason_code="CLIENT_DISCONNECTED", ended_at=NOW - HOUR)
    write_steps(database, trace_id, failed("a", layer=None))
    found = top(database)
    assert counts(found) == {("trace", "TIMEOUT", None): 2, ("span", "TIMEOUT", None): 1}
    assert (found.traces, found.spans) == (2, 1)


def test_a_trace_whose_process_died_failed_for_that_reason(database: Database) -> None:
    """It has no reason code of its own; how it ended stands for one, with advice."""
    trace_id = failed_trace(database, status="interrupted", end_reason="process_died", reason_code=None)
    (item,) = top(database).items
    assert (item.reason_code, item.count, item.reason_class) == ("PROCESS_DIED", 1, "unknown")
    assert item.advice is not None
    assert item.sample is not None
    assert item.sample.trace_id == trace_id


def test_the_sample_is_the_latest_failure(database: Database) -> None:
    """The trace, and the span in it, that failed last for this reason in this layer."""
    older, newer = write_trace(database), write_trace(database)
    write_steps(database, newer, failed("old", ended_at=NOW - 2 * HOUR), failed("new", ended_at=NOW - MINUTE))
    write_steps(database, older, failed("mid", ended_at=NOW - HOUR))
    (item,) = top(database).items
    assert (item.count, item.last_at) == (3, NOW - MINUTE)
    assert item.sample is not None
    assert (item.sample.trace_id, item.sample.span_id) == (newer, span_id("new"))


@pytest.mark.parametrize("code", [None, "TIMEOUT", "MY_OWN_CODE"])
@pytest.mark.parametrize("layer", [None, "L3", "层 ☃"])
def test_every_group_has_its_sample(database: Database, code: str | None, layer: str | None) -> None:
    """Whatever its reason and its layer are, also where one or both are missing."""
    trace_id = write_trace(database)
    other = write_trace(database)
    write_steps(database, trace_id, failed("it", reason_code=code, layer=layer, ended_at=NOW - MINUTE))
    write_steps(database, other, failed("else", reason_code="DEADLOCK", layer="else", ended_at=NOW - MINUTE))
    by_code = {item.reason_code: item for item in top(database).items}
    found = by_code[code]
    assert found.layer == layer
    assert found.sample is not None
    assert (found.sample.trace_id, found.sample.span_id) == (trace_id, span_id("it"))


@pytest.mark.parametrize("code", [*REASONS, "MY_OWN_CODE", None])
def test_class_and_advice_come_with_the_reason(database: Database, code: str | None) -> None:
    """Of a code of a plugin's, nothing is known."""
    write_steps(database, write_trace(database), failed("a", reason_code=code))
    item: Failure = top(database).items[0]
    known = REASONS.get(code or "")
    assert (item.reason_class, item.advice) == ((known.reason_class, known.advice) if known else ("unknown", None))


def test_only_the_time_that_was_asked_for_counts(database: Database) -> None:
    """By when it ended, to the microsecond."""
    trace_id = write_trace(database)
    write_steps(database, trace_id, failed("in", ended_at=NOW - HOUR), failed("out", ended_at=NOW - HOUR - 1))
    failed_trace(database, ended_at=NOW - HOUR)
    failed_trace(database, ended_at=NOW - HOUR - 1)
    found = top(database, hours=1)
    assert set(counts(found).values()) == {1}
    assert (found.since_at, found.traces, found.spans) == (NOW - HOUR, 1, 1)
    assert top(database, hours=2).spans == 2
    assert top(database, hours=0.5).items == []


def test_the_limit_cuts_the_rare_ones_and_the_counts_tell_of_all(database: Database) -> None:
    """Twenty groups at most, unless more are asked for."""
    trace_id = write_trace(database)
    write_steps(database, trace_id, *(failed(f"{n}", layer=f"L{n:02}") for n in range(30)), failed("x", layer="L29"))
    found = top(database)
    assert len(found.items) == 20
    assert found.items[0].layer == "L29"
    assert found.spans == 31
    assert len(top(database, limit=200).items) == 30


def test_nothing_failed(database: Database) -> None:
    """An empty answer."""
    write_trace(database)
    found = top(database)
    assert (found.items, found.traces, found.spans) == ([], 0, 0)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf"), 24 * 366 + 1])
def test_hours_out_of_range_are_refused(database: Database, hours: float) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="hours"):
        top(database, hours)


@pytest.mark.parametrize("limit", [0, 201])
def test_a_limit_out_of_range_is_refused(database: Database, limit: int) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="limit"):
        top(database, limit=limit)
