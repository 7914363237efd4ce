"""Numbers as people read them: sizes, durations, offsets, moments, counts.

Sizes are decimal (1 KB is 1000 B). Durations and moments are integer microseconds, as in the tables.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["counted", "duration_text", "exact_duration", "exact_size", "moment_text", "offset_text", "size_text"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# From here on a number with one decimal would read 1000.0.
_ROUNDS_UP = 999.95
_SIZES = ("KB", "MB", "GB", "TB", "PB", "EB")


def size_text(size: int) -> str:
    """`size` bytes in three figures: `260 B`, `1.2 KB`, `3.1 GB`."""
    if abs(size) < 1000:
        return f"{size} B"
    value, power = size / 1000, 0
    while abs(value) >= _ROUNDS_UP and power < len(_SIZES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_SIZES[power]}"


def exact_size(size: int) -> str:
    """`size` bytes exactly, with the short form beside it where that differs: `12,345 B (12.3 KB)`."""
    return f"{size:,} B" if abs(size) < 1000 else f"{size:,} B ({size_text(size)})"


def duration_text(microseconds: int) -> str:
    """A span of time in about three figures: `850 µs`, `12.3 ms`, `1.24 s`, `1 m 23 s`, `2 h 05 m`, `3 d 04 h`."""
    if microseconds < 0:
        return f"-{duration_text(-microseconds)}"
    if microseconds < 1000:
        return f"{microseconds} µs"
    if microseconds < _ROUNDS_UP * 1000:
        return f"{microseconds / 1000:.1f} ms"
    if microseconds < 59_950_000:
        return f"{microseconds / 1_000_000:.{2 if microseconds < 9_995_000 else 1}f} s"
    return _long_duration((microseconds + 500_000) // 1_000_000)


def _long_duration(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02d} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} m"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600:02d} h"


def exact_duration(microseconds: int) -> str:
    """A span of time in seconds to the microsecond, with the short form beside it: `2.412345 s (2.41 s)`."""
    return f"{microseconds / 1_000_000:.6f} s ({duration_text(microseconds)})"


def offset_text(microseconds: int, second_digits: int = 1) -> str:
    """An offset from the start of a trace: `+12.345 678 s`, the seconds filled up on the left to `second_digits`."""
    sign = "-" if microseconds < 0 else "+"
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    return f"{sign}{seconds}".rjust(second_digits + 1) + f".{rest // 1000:03d} {rest % 1000:03d} s"


def moment_text(microseconds: int) -> str:
    """A moment: `2026-11-21 03:11:05.123456 UTC`; one outside the calendar is shown as a number."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs since 1970"
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things: `1 frame`, `1,204 frames`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
