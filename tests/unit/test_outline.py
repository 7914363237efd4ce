"""Any Python value cut down to JSON that is worth recording."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import pathlib
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.outline import outline


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    name: str


class Struct(msgspec.Struct):
    name: str


@dataclasses.dataclass(slots=True)
class Data:
    name: str
    when: datetime.date


class Unreadable:
    def __repr__(self) -> str:
        raise AssertionError("was run")

    __str__ = __repr__

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise AssertionError("was run")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (3, 3), (2.5, 2.5), ("text", "text"), (Colour.RED, "red"),
        (b"abc", "<3 bytes>"), (datetime.date(2026, 1, 2), "2026-01-02"), (pathlib.PurePosixPath("/x"), "/x"),
        ((1, [2]), [1, [2]]), ({1: {2}}, {"1": [2]}), (Model(name="m"), {"name": "m"}), (Struct("s"), {"name": "s"}),
        (Data("d", datetime.date(2026, 1, 2)), {"name": "d", "when": "2026-01-02"}),
        (object(), "<object>"), (Unreadable(), "<tests.unit.test_outline.Unreadable>"),
        (2**5000, "<int of 5,001 bits>"), (1 + 2j, "(1+2j)"),
    ],
)  # fmt: skip
def test_a_value_is_recorded_as_its_outline(value: Any, expected: Any) -> None:
    """Plain data as it is, objects of known kinds by their fields, all others by their type alone."""
    found = outline(value)
    if isinstance(value, Unreadable):
        assert found.endswith("test_outline.Unreadable>")
        return
    assert found == expected


@given(st.recursive(st.none() | st.text() | st.binary() | st.integers() | st.floats(), st.lists))
def test_any_value_has_an_outline_that_is_json(value: Any) -> None:
    """It can be stored, whatever it was."""
    json.dumps(outline(value))


def test_an_outline_has_a_bound_on_its_cost() -> None:
    """Long texts, long lists, deep nesting, rings: what is left out is marked."""
    ring: list[Any] = []
    ring.append(ring)
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    for value in ("x" * 10_000_000, list(range(1_000_000)), ring, deep, [["x" * 1000] * 300] * 300):
        assert len(json.dumps(outline(value))) < 100_000
    assert outline("x" * 40_000).endswith("… [40,000 characters]")
    assert outline(list(range(300)))[-1] == "… [300 in all]"
    assert outline(dict.fromkeys(range(300)))["…"] == "[300 in all]"
