"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.human_units import counted, duration_text, exact_size, moment_text, offset_text, size_text

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 µs"), (999, "999 µs"), (1000, "1.0 ms"), (12_345, "12.3 ms"), (999_949, "999.9 ms"), (999_951, "1.00 s"),
        (1_240_000, "1.24 s"), (9_999_000, "10.0 s"), (59_940_000, "59.9 s"), (59_960_000, "1 m 00 s"),
        (83 * SECOND, "1 m 23 s"), (3600 * SECOND, "1 h 00 m"), (7500 * SECOND, "2 h 05 m"),
        (273_600 * SECOND, "3 d 04 h"), (-1500, "-1.5 ms"),
    ],
)  # fmt: skip
def test_a_duration_has_the_unit_that_fits(microseconds: int, text: str) -> None:
    """About three figures, from microseconds to days."""
    assert duration_text(microseconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (3_100_000_000, "3.1 GB"),
        (10**22, "10000.0 EB"),
    ],
)
def test_a_size_has_the_unit_that_fits(size: int, text: str) -> None:
    """Decimal units: 1 KB is 1000 B."""
    assert size_text(size) == text
    assert exact_size(size).startswith(f"{size:,} B")


@given(st.integers(-(10**19), 10**19), st.integers(1, 8))
def test_an_offset_can_be_read_back(microseconds: int, digits: int) -> None:
    """To the microsecond, and as wide as the column."""
    text = offset_text(microseconds, digits)
    assert int(text.replace(" ", "").replace(".", "").removesuffix("s")) == microseconds
    assert len(text) >= digits + 11


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_number_of_a_column_has_a_text(number: int) -> None:
    """Whatever a damaged or imported row holds."""
    assert moment_text(number)
    assert duration_text(number)
    assert size_text(number)


def test_a_moment_is_told_to_the_microsecond() -> None:
    """In UTC, and saying so; what no calendar holds stays a number."""
    assert moment_text(1_700_000_000_123_456) == "2023-11-14 22:13:20.123456 UTC"
    assert moment_text(10**18) == f"{10**18} µs since 1970"


def test_one_thing_is_not_plural() -> None:
    """1 frame, 2 frames, 1,204 frames."""
    assert [counted(n, "frame") for n in (0, 1, 1204)] == ["0 frames", "1 frame", "1,204 frames"]
