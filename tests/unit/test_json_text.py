"""JSON of anything goes in and comes out, and what comes out both databases take."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tracekit import json_text

_TEXT = st.text(st.characters(exclude_categories=()))
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda values: st.lists(values, max_size=5) | st.dictionaries(_TEXT, values, max_size=5),
    max_leaves=20,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@given(_ANYTHING)
def test_any_value_is_written_as_json_that_every_reader_takes(value: object) -> None:
    """Whatever is in it, the text is standard JSON in UTF-8 without a NUL."""
    text = json_text.encode(value)
    json.loads(text, parse_constant=refuse)
    assert "\0" not in text
    text.encode("utf-8")


@given(_ANYTHING)
def test_what_was_written_reads_back_as_it_was(value: object) -> None:
    """Nothing but a number that JSON does not have is changed."""
    assert json_text.decode(json_text.encode(value)) == without_odd_numbers(value)


def without_odd_numbers(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_odd_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: without_odd_numbers(item) for name, item in value.items()}
    return value


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    """A hundred thousand brackets are refused, not followed."""
    try:
        json_text.decode("[" * 100_000)
    except ValueError:
        return
    raise AssertionError("it was accepted")


def test_an_object_that_json_does_not_know_is_written_as_its_text() -> None:
    """What JSON has no form for is written as its `str`."""
    assert (
        json_text.decode(
            json_text.encode(
                {
                    "x": {
                        1,
                    },
                    "y": 10**400,
                }
            )
        )["y"]
        == 10**400
    )


@given(_ANYTHING)
def test_what_is_indented_for_people_is_the_same_json(value: object) -> None:
    """Lone surrogates too, which a formatter may refuse."""
    assert json_text.decode(json_text.indented(value)) == without_odd_numbers(value)


def test_indenting_does_not_make_a_short_text_a_thousand_times_as_long() -> None:
    """Nesting as deep as the interpreter can follow stays on one line."""
    value: list[object] = [0] * 100_000
    for _ in range(400):
        value = [value]
    assert len(json_text.indented(value)) < 300_000
