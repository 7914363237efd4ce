"""A reader's place in a live trace: what it waits for, and when it is through."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from tracekit.live import LivePage, TraceState
from tracekit.live.position import SETTLED_S, Position
from tracekit.store import EventRecord

NOW = 1000.0
LONG_AGO_US = 1_700_000_000_000_000


def state(status: str = "running", ended_at: int | None = None, last_seq: int = 0) -> TraceState:
    return TraceState(
        1, LONG_AGO_US, last_seq, last_seq, False, "0" * 32, status, None, None, False, ended_at, None, LONG_AGO_US
    )


def page(since: int, count: int, at: TraceState, *, more: bool = False, has_gap: bool = False) -> LivePage:
    events = [EventRecord(seq, "log", 0, 0) for seq in range(since + 1, since + count + 1)]
    return LivePage(events, since + count, more, has_gap, at)


def just_ended() -> TraceState:
    return state("completed", time.time_ns() // 1000)


def test_a_reader_of_a_running_trace_waits_for_a_change() -> None:
    """For as long as it takes; before the first page not at all."""
    position = Position(0)
    assert position.patience(NOW) == 0
    position.take(page(0, 3, state()), NOW)
    assert (position.since, position.patience(NOW), position.is_over(NOW + 1e6)) == (3, None, False)


def test_a_reader_that_is_behind_goes_on_at_once() -> None:
    """More is stored."""
    position = Position(0)
    position.take(page(0, 3, state("completed", LONG_AGO_US), more=True), NOW)
    assert position.patience(NOW) == 0
    assert not position.is_over(NOW)


def test_a_trace_that_ended_long_ago_is_over_when_it_is_read() -> None:
    """Nobody adds to it."""
    position = Position(0)
    position.take(page(0, 3, state("completed", LONG_AGO_US)), NOW)
    assert position.is_over(NOW)


def test_an_ending_that_was_seen_is_waited_out() -> None:
    """From the last event on; each further one begins the wait anew. Clocks of other machines do not matter."""
    position = Position(0)
    position.take(page(0, 3, state()), NOW)
    for moment, count in ((NOW + 5, 1), (NOW + 6, 2)):
        position.take(page(position.since, count, state("completed", LONG_AGO_US)), moment)
        assert not position.is_over(moment + SETTLED_S / 2)
        assert position.patience(moment) == SETTLED_S
    assert position.is_over(NOW + 6 + SETTLED_S)


def test_an_ending_that_is_taken_back_is_no_ending() -> None:
    """A process that was taken for dead goes on."""
    position = Position(0)
    position.take(page(0, 3, just_ended()), NOW)
    position.take(page(3, 0, state()), NOW + SETTLED_S)
    assert not position.is_over(NOW + 1e6)
    assert position.patience(NOW + 1e6) is None


def test_a_missing_number_is_waited_for_and_then_passed() -> None:
    """What came before it is taken meanwhile; a second hole has its own wait."""
    position = Position(0)
    position.take(page(0, 2, state(), more=True, has_gap=True), NOW)
    assert position.since == 2
    assert not position.passes_gaps(NOW + 1.9)
    assert 0 < (position.patience(NOW + 0.5) or 0) <= 1.5
    position.take(page(2, 0, state(), more=True, has_gap=True), NOW + 1)
    assert position.passes_gaps(NOW + 2)
    position.take(page(5, 1, state()), NOW + 2)
    assert not position.passes_gaps(NOW + 9)
    assert position.patience(NOW + 2) is None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans(), st.floats(0, 10)), max_size=30)
)
def test_a_reader_never_goes_back_and_never_ends_before_the_trace(
    steps: list[tuple[int, bool, bool, bool, float]],
) -> None:
    """Whatever pages come, at whatever times."""
    position, now = Position(0), NOW
    for count, more, gap, ended, spent in steps:
        now += spent
        before = position.since
        position.take(page(before, count, just_ended() if ended else state(), more=more or gap, has_gap=gap), now)
        assert position.since == before + count
        assert not (position.is_over(now) and (not ended or more or gap))
        patience = position.patience(now)
        assert patience is None or patience >= 0
