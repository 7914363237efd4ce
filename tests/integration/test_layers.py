"""How layers do: spans by status, the share that went well, and how long they take."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import HOUR, MINUTE, NOW, SECOND, ended, span_id, write_many_spans, write_steps
from trace_rows import write_trace

from tracekit.errors import InvalidInput, NotFound
from tracekit.store import Database, TraceStore
from tracekit.store.question_records import LayerFacts, Spread

MS = 1000


def layers(database: Database, hours: float = 24) -> dict[str | None, LayerFacts]:
    return {facts.layer: facts for facts in TraceStore(database).layers(hours, now=NOW)}


def some(layer: str | None, *took: int, status: str = "success", **columns: Any) -> list[dict[str, Any]]:
    """Ended spans of a layer that took so many microseconds each."""
    name = f"{layer}"[:5] + status[:1]
    return [ended(f"{name}{i}", status, spent, layer=layer, **columns) for i, spent in enumerate(took)]


def test_each_layer_has_its_counts(database: Database) -> None:
    """By status; the layer with most spans first. Spans without a layer have one of their own."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        *some("L3", *[SECOND] * 3),
        *some("L3", SECOND, status="failed"),
        *some("L3", SECOND, status="canceled"),
        {"span_id": "open", "layer": "L3"},
        *some("L1", SECOND),
        *some(None, SECOND, SECOND),
    )
    found = layers(database)
    assert list(found) == ["L3", None, "L1"]
    assert found["L3"].by_status == {"success": 3, "failed": 1, "canceled": 1, "running": 1}
    assert [found[layer].spans for layer in found] == [6, 2, 1]


def test_the_success_rate_leaves_out_what_is_neither(database: Database) -> None:
    """What runs, and what was cancelled, is no success and no failure."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        *some("L3", *[SECOND] * 3),
        *some("L3", SECOND, status="failed"),
        *some("L3", *[SECOND] * 9, status="canceled"),
        {"span_id": "open", "layer": "L1"},
    )
    found = layers(database)
    assert found["L3"].success_rate == 0.75
    assert found["L1"].success_rate is None


def test_durations_are_exact_percentiles(database: Database) -> None:
    """By nearest rank, so each is a duration that occurred; open spans have none."""
    trace_id = write_trace(database)
    write_steps(database, trace_id, *some("L3", *(n * MS for n in range(1, 101))), {"span_id": "open", "layer": "L3"})
    assert layers(database)["L3"].duration_us == Spread(50 * MS, 95 * MS, 99 * MS, 100, False)


def test_a_layer_that_has_only_begun_has_no_durations(database: Database) -> None:
    """Unknown is not zero."""
    write_steps(database, write_trace(database), {"span_id": "open", "layer": "L1"})
    assert layers(database)["L1"].duration_us == Spread(None, None, None, 0, False)


def test_a_clock_that_went_backwards_makes_no_negative_duration(database: Database) -> None:
    """A span that ended before it began took no time."""
    write_steps(database, write_trace(database), *some("L1", -SECOND))
    assert layers(database)["L1"].duration_us.p50 == 0


def test_only_spans_that_began_in_the_time_count(database: Database) -> None:
    """To the microsecond."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        *some("in", SECOND, ended_at=NOW - HOUR + SECOND),
        *some("out", SECOND, ended_at=NOW - HOUR + SECOND - 1),
    )
    assert list(layers(database, hours=1)) == ["in"]
    assert set(layers(database, hours=2)) == {"in", "out"}


def test_of_very_many_spans_a_sample_is_measured_and_said_to_be_one(database: Database) -> None:
    """Counts stay exact; percentiles are close, also where every moment is a whole second."""
    trace_id = write_trace(database)
    count = 24_000
    # Durations run through all values again and again, out of step with the starts.
    rows = [
        {"layer": "L3", "started_at": NOW - HOUR + (n // 100) * SECOND, "took": (n * 7919 % 1000 + 1) * MS}
        for n in range(count)
    ]
    write_many_spans(database, trace_id, rows)
    facts = layers(database)["L3"]
    assert facts.spans == count
    spread = facts.duration_us
    assert spread.sampled
    assert 5_000 < spread.values <= 10_500
    assert spread.p50 is not None
    assert spread.p99 is not None
    assert abs(spread.p50 - 500 * MS) < 25 * MS
    assert abs(spread.p99 - 990 * MS) < 25 * MS


def test_names_of_layers_may_be_anything(database: Database) -> None:
    """Each is found under its own name."""
    names = ["a", "A", "a/b c?d#e", "层 ☃", "'; --", "%", "é" * 64]
    write_steps(
        database,
        write_trace(database),
        *(ended(f"span {n}", layer=name) for n, name in enumerate(names)),
    )
    assert set(layers(database)) == set(names)
    for name in names:
        assert TraceStore(database).layer(name, now=NOW).facts.spans == 1


def test_one_layer_has_its_steps(database: Database) -> None:
    """The most frequent first, each with its own figures."""
    trace_id = write_trace(database)
    write_steps(
        database,
        trace_id,
        *(ended(f"f{n}", took=n * SECOND, layer="L3", step_name="fetch") for n in range(1, 4)),
        ended("p", "failed", layer="L3", step_name="parse", reason_code="MISSING_FILE"),
        ended("o", layer="L1", step_name="other"),
        {"span_id": "r", "layer": "L3", "step_name": "parse"},
    )
    page = TraceStore(database).layer("L3", now=NOW)
    assert page.facts.spans == 5
    fetch, parse = page.steps
    assert (fetch.step_name, fetch.spans, fetch.success_rate) == ("fetch", 3, 1.0)
    assert fetch.duration_us == Spread(2 * SECOND, 3 * SECOND, 3 * SECOND, 3, False)
    assert (parse.by_status, parse.success_rate) == ({"failed": 1, "running": 1}, 0.0)
    assert page.steps_left_out == 0
    (failure,) = page.failures
    assert (failure.reason_code, failure.layer, failure.count) == ("MISSING_FILE", "L3", 1)
    assert failure.sample is not None
    assert failure.sample.span_id == span_id("p")


def test_of_very_many_steps_the_most_frequent_are_told(database: Database) -> None:
    """And how many there are besides."""
    trace_id = write_trace(database)
    steps = [ended(f"{n}", layer="L3", step_name=f"step {n:03}") for n in range(105)]
    write_steps(database, trace_id, *steps, ended("again", layer="L3", step_name="step 104"))
    page = TraceStore(database).layer("L3", now=NOW)
    assert len(page.steps) == 100
    assert page.steps[0].step_name == "step 104"
    assert page.steps_left_out == 5


def test_a_layer_that_rests_is_known(database: Database) -> None:
    """Nothing began in the time that was asked for; a layer that nobody ever named is not found."""
    write_steps(database, write_trace(database), ended("a", layer="L3", ended_at=NOW - 50 * HOUR))
    page = TraceStore(database).layer("L3", now=NOW)
    assert (page.facts.spans, page.steps, page.failures) == (0, [], [])
    assert layers(database) == {}
    for name in ("L4", "", "\0", "\ud800"):
        with pytest.raises(NotFound, match="no span has the layer"):
            TraceStore(database).layer(name, now=NOW)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), 24 * 366 + 1])
def test_hours_out_of_range_are_refused(database: Database, hours: float) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput, match="hours"):
        layers(database, hours)
    with pytest.raises(InvalidInput, match="hours"):
        TraceStore(database).layer("L3", hours, now=NOW)


def test_a_window_of_minutes_may_be_asked_for(database: Database) -> None:
    """Hours need not be whole."""
    write_steps(database, write_trace(database), ended("a", layer="L3", ended_at=NOW - 7 * MINUTE))
    assert layers(database, hours=0.1) == {}
    assert list(layers(database, hours=0.2)) == ["L3"]
