"""The rules of alerts, and the book that knows which of them stand."""

from __future__ import annotations

from typing import Any

import pytest

from tracekit.alerts import CLEARS_AFTER, RULES, Alert, AlertBook, Vitals

GB = 1_000_000_000
NOW = 1_700_000_000_000_000

# Of each rule: what is just good enough, what raises it, and what is not yet good enough to end it.
LIMITS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "write_failures": ({"write_failures": 2}, {"write_failures": 3, "write_problem": "locked"}, {"write_failures": 1}),
    "writer_silent": ({"writer_silent_s": 30.0}, {"writer_silent_s": 30.1}, {"writer_died": True}),
    "disk_short": ({"disk_free_bytes": 1}, {"disk_short": True, "disk_path": "/data"}, {"disk_short": True}),
    "memory_high": (
        {"memory_bytes": GB, "memory_limit_bytes": GB},
        {"memory_bytes": GB + 1, "memory_limit_bytes": GB},
        {"memory_bytes": GB * 95 // 100, "memory_limit_bytes": GB},
    ),
    "api_slow": ({"api_p95_ms": 5000.0}, {"api_p95_ms": 5000.1}, {"api_p95_ms": 4600.0}),
    "process_died": ({"left_open": 0}, {"left_open": 2}, {"left_open": 1}),
}


def look(book: AlertBook, **vitals: Any) -> list[Alert]:
    return book.look(Vitals(**vitals), NOW)


def test_the_limits_are_tried_of_every_rule() -> None:
    """A new rule has its limits here too."""
    assert LIMITS.keys() == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", LIMITS)
def test_an_alert_is_raised_once_and_stays_until_it_is_better_for_good(rule: str) -> None:
    """At its limit nothing is raised, and past it one thing is said, whatever is seen meanwhile."""
    fine, wrong, not_better = LIMITS[rule]
    book = AlertBook()
    assert look(book, **fine) == []
    (alert,) = look(book, **wrong)
    assert (alert.rule, alert.raised_at, alert.cleared_at) == (rule, NOW, None)
    for _ in range(3 * CLEARS_AFTER):
        assert look(book, **not_better) == []
    assert [standing.rule for standing in book.raised] == [rule]


def test_an_alert_is_over_after_ten_good_looks_in_a_row() -> None:
    """What comes and goes each second is one alert, not sixty a minute."""
    book = AlertBook()
    look(book, disk_short=True)
    for _ in range(5):
        for _ in range(CLEARS_AFTER - 1):
            assert look(book) == []
        assert look(book, disk_short=True) == []
    for _ in range(CLEARS_AFTER - 1):
        assert look(book) == []
    (over,) = book.look(Vitals(), NOW + 60)
    assert (over.rule, over.raised_at, over.cleared_at) == ("disk_short", NOW, NOW + 60)
    assert book.raised == ()
    assert [alert.raised_at for alert in look(book, disk_short=True)] == [NOW]


def test_the_figures_of_an_alert_are_those_of_the_last_look() -> None:
    """And stay on one line, whatever a database says."""
    book = AlertBook()
    look(book, write_failures=3, write_problem="gone\nERROR forged")
    assert look(book, write_failures=1204, write_problem="gone\nERROR forged" * 99) == []
    (alert,) = book.raised
    assert alert.detail.startswith("1,204 failures in a row: gone")
    assert alert.detail.isprintable()
    assert len(alert.detail) <= 300


def test_several_alerts_stand_in_the_order_in_which_they_were_raised() -> None:
    """Each with its own beginning."""
    book = AlertBook()
    book.look(Vitals(left_open=1), NOW)
    book.look(Vitals(left_open=1, disk_short=True), NOW + 1)
    assert [(alert.rule, alert.raised_at) for alert in book.raised] == [("process_died", NOW), ("disk_short", NOW + 1)]


def test_without_a_limit_memory_is_never_too_much() -> None:
    """0 switches the rule off."""
    assert look(AlertBook(), memory_bytes=10**15, memory_limit_bytes=0) == []
