"""The alerts that processes raise, as their heartbeats tell them to one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from tracekit import json_text
from tracekit.alerts import RULES, UNKNOWN_TITLE, Alert
from tracekit.store.engine import Database
from tracekit.store.owners import DEAD_AFTER_US, OWNER_COLUMNS, PROCESSES, owner_of
from tracekit.store.question_records import ProcessAlert

__all__ = ["process_alerts"]

_MOST_PROCESSES = 100
_TITLES = {rule.name: rule.title for rule in RULES}


def process_alerts(database: Database, now: int) -> Sequence[ProcessAlert]:
    """Those of the processes that live, the oldest first. They are as of the last heartbeat of each."""
    living = PROCESSES.c.ended_at.is_(None) & (PROCESSES.c.heartbeat_at >= now - DEAD_AFTER_US)
    statement = select(*OWNER_COLUMNS, PROCESSES.c.counters).where(living).limit(_MOST_PROCESSES)
    with database.reading() as connection:
        rows = connection.execute(statement).all()
    found = [alert for *owner, counters in rows for alert in _alerts(owner, counters, now)]
    return sorted(found, key=lambda found: found.alert.raised_at)


def _alerts(values: Sequence[Any], counters: str | None, now: int) -> Iterator[ProcessAlert]:
    """What a row tells."""
    owner, told = owner_of(values, now), json_text.decode(counters) if counters else {}
    for fact in told.get("alerts", ()) if isinstance(told, dict) else ():
        if owner is not None and isinstance(fact, dict) and isinstance(fact.get("raised_at"), int):
            rule, detail = str(fact.get("rule")), str(fact.get("detail", ""))
            title, detail = (_TITLES[rule], detail) if rule in _TITLES else (UNKNOWN_TITLE, f"{rule}: {detail}")
            yield ProcessAlert(owner, Alert(rule, title, detail, fact["raised_at"]))
