"""Traces over time: pieces of equal length, how traces ended in each, tokens, errors and the first content."""

from __future__ import annotations

from typing import Any

import pytest
from question_rows import DAY, HOUR, MINUTE, NOW, SECOND
from sqlalchemy import insert
from trace_rows import TRACES, trace_row, write_trace

from tracekit.errors import InvalidInput
from tracekit.store import Database, TraceStore
from tracekit.store.question_records import Spread, Statistics

# 2023-11-14 22:13:20 UTC
THIS_HOUR = NOW - 13 * MINUTE - 20 * SECOND


def statistics(database: Database, hours: float = 24, bucket: str | None = "1h") -> Statistics:
    return TraceStore(database).statistics(hours, bucket, now=NOW)


def test_pieces_follow_one_another_without_a_gap(database: Database) -> None:
    """Also where nothing happened; the first is whole, and the last is the one that now lies in."""
    write_trace(database, started_at=NOW - SECOND)
    found = statistics(database, hours=3)
    assert [bucket.start_at for bucket in found.buckets] == [THIS_HOUR - n * HOUR for n in (3, 2, 1, 0)]
    assert [bucket.traces for bucket in found.buckets] == [0, 0, 0, 1]
    assert (found.since_at, found.until_at, found.bucket_us) == (THIS_HOUR - 3 * HOUR, NOW, HOUR)


def test_a_trace_counts_in_the_piece_in_which_it_started(database: Database) -> None:
    """A piece includes its beginning, and the next one's is not its own; before the first none counts."""
    for started_at in (THIS_HOUR, THIS_HOUR - 1, THIS_HOUR - HOUR, THIS_HOUR - HOUR - 1):
        write_trace(database, started_at=started_at)
    found = statistics(database, hours=1)
    assert [bucket.traces for bucket in found.buckets] == [2, 1]
    assert found.total.traces == 3


def test_endings_and_errors_are_counted(database: Database) -> None:
    """By who ended the trace; those that run under `running`."""
    endings = [("completed", "completed"), ("failed", "app_error"), ("failed", "stream_error"),
               ("cancelled", "client_disconnected"), ("interrupted", "process_died"), ("running", None)]  # fmt: skip
    for status, end_reason in endings:
        write_trace(database, status=status, end_reason=end_reason, started_at=NOW)
    total = statistics(database).total
    assert total.by_ending == {
        "completed": 1, "app_error": 1, "stream_error": 1, "client_disconnected": 1, "process_died": 1, "running": 1,
    }  # fmt: skip
    assert (total.traces, total.errors) == (6, 3)


def test_tokens_add_up(database: Database) -> None:
    """What a provider did not report adds nothing; a sum may pass 32 bits."""
    for tokens in ((10, 1), (2**40, None), (None, 5)):
        write_trace(database, input_tokens=tokens[0], output_tokens=tokens[1], started_at=NOW)
    total = statistics(database).total
    assert (total.input_tokens, total.output_tokens) == (2**40 + 10, 6)


def test_the_first_content_has_its_percentiles(database: Database) -> None:
    """In each piece and in all of them; a trace that said nothing has none."""
    for n in range(1, 21):
        write_trace(database, first_content_us=n * 1000, started_at=NOW if n > 10 else NOW - HOUR)
    write_trace(database, first_content_us=None, started_at=NOW)
    found = statistics(database, hours=1)
    assert found.buckets[0].first_content_us == Spread(5_000, 10_000, 10_000, 10, False)
    assert found.buckets[1].first_content_us == Spread(15_000, 20_000, 20_000, 10, False)
    assert found.total.first_content_us == Spread(10_000, 19_000, 20_000, 20, False)


def test_of_very_many_traces_a_sample_is_measured_and_said_to_be_one(database: Database) -> None:
    """Counts and sums stay exact, percentiles are close."""
    rows: list[dict[str, Any]] = []
    count = 60_000
    for n in range(count):
        facts = {"first_content_us": n * 7919 % 1000, "started_at": NOW - n, "input_tokens": 1}
        rows.append(trace_row((), (), {"trace_id": f"{n:032x}", **facts}))
    with database.writing() as connection:
        connection.execute(insert(TRACES), rows)
    total = statistics(database).total
    assert (total.traces, total.input_tokens) == (count, count)
    assert total.first_content_us.sampled
    assert total.first_content_us.p50 is not None
    assert abs(total.first_content_us.p50 - 500) < 25


@pytest.mark.parametrize(
    ("hours", "bucket_us", "pieces"),
    [(0.5, MINUTE, 31), (1, MINUTE, 61), (6, 15 * MINUTE, 25), (24, HOUR, 25), (24 * 14, 6 * HOUR, 57),
     (24 * 366, DAY, 367)],
)  # fmt: skip
def test_a_good_length_is_chosen_where_none_is_given(
    database: Database, hours: float, bucket_us: int, pieces: int
) -> None:
    """About 60 pieces, and no more than a day each."""
    found = statistics(database, hours, None)
    assert (found.bucket_us, len(found.buckets)) == (bucket_us, pieces)


def test_more_pieces_than_a_chart_can_show_are_refused(database: Database) -> None:
    """Saying what to do about it."""
    assert len(statistics(database, 12, "1m").buckets) == 721
    with pytest.raises(InvalidInput, match="at most 750 pieces"):
        statistics(database, 13, "1m")


@pytest.mark.parametrize("bucket", ["", "1s", "1 h", "60", "hour"])
def test_an_unknown_length_is_refused(database: Database, bucket: str) -> None:
    """Naming those that there are."""
    with pytest.raises(InvalidInput, match="1m, 5m, 15m, 1h, 6h, 1d"):
        statistics(database, 1, bucket)


@pytest.mark.parametrize("hours", [0, -5, float("nan"), float("inf")])
def test_hours_out_of_range_are_refused(database: Database, hours: float) -> None:
    """Naming the field, with a length or without."""
    for bucket in ("1h", None):
        with pytest.raises(InvalidInput, match="hours"):
            statistics(database, hours, bucket)


def test_traces_of_the_future_are_left_out(database: Database) -> None:
    """A clock that is a day ahead makes no piece that has not begun."""
    write_trace(database, started_at=NOW + DAY)
    assert statistics(database).total.traces == 0
