"""Alerts: what somebody has to be told of at once, as rules over one look at a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tracekit.human_units import counted, duration_text, size_text
from tracekit.terminal_text import fit

__all__ = ["ADVICE", "CLEARS_AFTER", "RULES", "UNKNOWN_TITLE", "Alert", "AlertBook", "Rule", "Vitals"]

CLEARS_AFTER = 10
"""Looks in a row, one each second, by which a rule must find nothing before its alert is over."""

UNKNOWN_TITLE = "An alert that this version does not know."
"""Of a process with another version of tracekit."""

_WRITE_FAILURES = 3
_SILENT_S = 30.0
_SLOW_MS = 5000.0
# What is raised stays so until it is better by so much: a value that trembles about its limit is one alert.
_BETTER = 0.9
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a process stands at one moment, as far as rules look at it."""

    write_failures: int = 0
    """Tries in a row that the database refused."""
    write_problem: str | None = None
    writer_died: bool = False
    writer_silent_s: float = 0.0
    """How long the writer has given no sign, seconds, while something waits for it."""
    disk_short: bool = False
    disk_free_bytes: int = 0
    disk_path: str = ""
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    """0: there is none."""
    api_p95_ms: float | None = None
    left_open: int = 0
    """Traces that dead processes left open, as this one found within the last hour."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for. `finds` says what is wrong, in figures, or None; it is told whether that is known already."""

    name: str
    title: str
    advice: str
    finds: Callable[[Vitals, bool], str | None]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of one process. Moments are microseconds UTC."""

    rule: str
    title: str
    detail: str
    """The figures, as they were at the last look that found them."""
    raised_at: int
    cleared_at: int | None = None
    """None: it stands."""


class AlertBook:
    """Which alerts stand. One thread looks; any may read `raised`, which is never changed but replaced."""

    def __init__(self, rules: Sequence[Rule] | None = None) -> None:
        self.raised: tuple[Alert, ...] = ()
        """Those that stand, the oldest first."""
        self._rules = RULES if rules is None else rules
        self._good_looks: dict[str, int] = {}

    def look(self, vitals: Vitals, now: int) -> list[Alert]:
        """Hold the rules against the vitals; what was raised or is over by that. `now`: microseconds UTC."""
        before = {alert.rule: alert for alert in self.raised}
        seen = [self._seen(rule, before.get(rule.name), vitals, now) for rule in self._rules]
        found = [alert for alert in seen if alert is not None]
        self.raised = tuple(sorted(_standing(found), key=lambda alert: alert.raised_at))
        return [alert for alert in found if alert.cleared_at is not None or alert.rule not in before]

    def _seen(self, rule: Rule, alert: Alert | None, vitals: Vitals, now: int) -> Alert | None:
        detail = rule.finds(vitals, alert is not None)
        if detail is not None:
            self._good_looks[rule.name] = 0
            detail = fit(detail, _MOST_CHARACTERS)
            return replace(alert, detail=detail) if alert else Alert(rule.name, rule.title, detail, raised_at=now)
        if alert is None:
            return None
        self._good_looks[rule.name] += 1
        return alert if self._good_looks[rule.name] < CLEARS_AFTER else replace(alert, cleared_at=now)


def _standing(alerts: Iterable[Alert]) -> Iterator[Alert]:
    return (alert for alert in alerts if alert.cleared_at is None)


# The rules


def _write_failures(vitals: Vitals, known: bool) -> str | None:
    if vitals.write_failures < (1 if known else _WRITE_FAILURES):
        return None
    return f"{counted(vitals.write_failures, 'failure')} in a row: {vitals.write_problem or 'no reason is known'}"


def _writer_silent(vitals: Vitals, known: bool) -> str | None:
    if vitals.writer_died:
        return "its thread has ended; another takes its place"
    if vitals.writer_silent_s <= _SILENT_S:
        return None
    return f"no sign for {duration_text(int(vitals.writer_silent_s * 1_000_000))} while something waits"


def _disk_short(vitals: Vitals, known: bool) -> str | None:
    return f"{size_text(vitals.disk_free_bytes)} free at {vitals.disk_path}" if vitals.disk_short else None


def _memory_high(vitals: Vitals, known: bool) -> str | None:
    limit = vitals.memory_limit_bytes
    if not limit or vitals.memory_bytes <= limit * (_BETTER if known else 1):
        return None
    return f"{size_text(vitals.memory_bytes)}, where {size_text(limit)} is the limit"


def _api_slow(vitals: Vitals, known: bool) -> str | None:
    took = vitals.api_p95_ms
    if took is None or took <= _SLOW_MS * (_BETTER if known else 1):
        return None
    return f"one request in twenty took {duration_text(int(took * 1000))} or more, within five minutes"


def _process_died(vitals: Vitals, known: bool) -> str | None:
    return f"{counted(vitals.left_open, 'trace')} left open, found within the last hour" if vitals.left_open else None


RULES: tuple[Rule, ...] = (
    Rule(
        "write_failures",
        "The recorder cannot write; recordings wait in memory, then on disk.",
        "See that the database is there and can be written; what waits is written by itself then.",
        _write_failures,
    ),
    Rule(
        "writer_silent",
        "The writer gives no sign; recordings wait in memory.",
        "Look for a plugin that blocks or a database that hangs; what was captured is written when it goes on.",
        _writer_silent,
    ),
    Rule(
        "disk_short",
        "The disk is nearly full, so no new traces are recorded. It goes on by itself when there is room.",
        "Free some space, or delete old traces.",
        _disk_short,
    ),
    Rule(
        "memory_high",
        "A process takes too much memory.",
        "Look whether recordings wait in memory; if none do, it is the app's own. The limit is an option.",
        _memory_high,
    ),
    Rule(
        "api_slow",
        "The admin API answers slowly.",
        "See whether the database is slow or the machine is busy; keep fewer days, or use PostgreSQL.",
        _api_slow,
    ),
    Rule(
        "process_died",
        "A process died with traces open.",
        "Look for its end in the log of the system: killed, out of memory, or crashed. The traces are interrupted.",
        _process_died,
    ),
)

ADVICE = {rule.name: rule.advice for rule in RULES}
"""What to do about an alert, by its rule."""
