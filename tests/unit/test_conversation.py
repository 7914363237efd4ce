"""Tool calls put together from their events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracekit.conversation import TOOL_EVENTS, RecordedCall, RecordedCalls
from tracekit.store import EventRecord


def event(seq: int, kind: str, **payload: Any) -> EventRecord:
    return EventRecord(seq, f"tool.{kind}", seq, seq * 1000, payload=payload)


def calls_of(*events: EventRecord) -> list[RecordedCall]:
    return RecordedCalls.of(events).calls


def test_parallel_calls_are_kept_apart() -> None:
    """Events of two calls of the same tool find their call by its id."""
    first, second = calls_of(
        event(1, "started", id="a", name="search"),
        event(2, "started", id="b", name="search"),
        event(3, "arguments", id="b", name="search", arguments={"q": 2}),
        event(4, "arguments", id="a", name="search", arguments={"q": 1}),
        event(5, "finished", id="b", name="search", result="two", duration_us=7),
        event(6, "failed", id="a", name="search", error="no net"),
    )
    assert (first.arguments, first.error, first.result, first.ended) == ('{"q":1}', "no net", None, True)
    assert (second.arguments, second.error, second.result, second.duration_us) == ('{"q":2}', None, "two", 7)


def test_a_call_said_by_the_wire_and_by_the_app_is_one_call() -> None:
    """The same id that starts twice is the same call."""
    (call,) = calls_of(event(1, "started", id="a", name="f"), event(2, "started", id="a"), event(3, "finished", id="a"))
    assert (call.name, call.offset_us, call.ended) == ("f", 1000, True)


def test_an_id_may_come_after_the_name() -> None:
    """A call that began without an id is the one that gets it; the next of that name is another."""
    first, second = calls_of(
        event(1, "started", name="f"),
        event(2, "arguments", id="a", name="f", arguments="x"),
        event(3, "started", name="f"),
        event(4, "finished", id="a", result=1),
        event(5, "finished", name="f", result=2),
    )
    assert (first.id, first.arguments, first.result) == ("a", "x", "1")
    assert (second.id, second.result) == (None, "2")


def test_calls_without_any_name_are_shown_too() -> None:
    """Each event that says nothing of its call is a call of its own, at its own time."""
    assert [call.offset_us for call in calls_of(event(1, "started"), event(2, "finished", result="x"))] == [1000, 2000]


def test_what_is_held_is_bounded() -> None:
    """Past the limits texts are cut with a mark, and further calls are only counted."""
    collected = RecordedCalls(most=2, longest=10)
    for number in range(5):
        collected.add(event(number, "finished", id=str(number), result="y" * 50))
    assert [call.result for call in collected.calls] == ["y" * 10 + "\n[cut here: 50 characters in all]"] * 2
    assert collected.left_out == 3


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.text(max_size=2))
PAYLOADS = st.dictionaries(
    st.sampled_from(["id", "name", "arguments", "result", "error", "is_error", "duration_us"]), VALUES
)


@given(st.lists(st.tuples(st.sampled_from(sorted(TOOL_EVENTS)), st.none() | PAYLOADS)))
def test_any_payload_is_taken(events: list[tuple[str, dict[str, Any] | None]]) -> None:
    """Whatever stands in the fields, every event belongs to a call, and what is shown is text."""
    records = [EventRecord(seq, kind, seq, seq, payload=payload) for seq, (kind, payload) in enumerate(events, 1)]
    calls = calls_of(*records)
    assert len(calls) <= len(records)
    assert bool(calls) == bool(records)
    for call in calls:
        texts = (call.id, call.name, call.arguments, call.result, call.error)
        assert all(text is None or isinstance(text, str) for text in texts)
        assert call.duration_us is None or call.duration_us >= 0
