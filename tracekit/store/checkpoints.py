"""The checkpoints of a trace: states that were reached, with references to what shows it, and looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit import json_text
from tracekit.store.engine import Database
from tracekit.store.records import EventRecord
from tracekit.store.rows import find_head
from tracekit.store.tree_records import Checkpoint
from tracekit.store.windows import read_window
from tracekit.types import EventType

__all__ = ["CheckpointReader"]

_MOST = 10_000
_MOST_EVIDENCE = 200
_TYPES = (EventType.CHECKPOINT_COMMITTED.value, EventType.CHECKPOINT_VERIFIED.value)
_TOLD = frozenset({"name", "evidence", "ok"})


class CheckpointReader:
    """The checkpoints of traces in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checkpoints(self, trace_id: str) -> list[Checkpoint]:
        """The checkpoints of a trace in order, the first 10,000. Raises NotFound."""
        with self._database.reading() as connection:
            head = find_head(connection, trace_id)
            events = read_window(connection, head, 0, _MOST, _TYPES).events
        return _judged(events)


def _judged(events: Sequence[EventRecord]) -> list[Checkpoint]:
    """From the last event back, so that each commit meets the last verification that came after it."""
    verdicts: dict[str | None, bool] = {}
    found: list[Checkpoint] = []
    for event in reversed(events):
        payload = event.payload or {}
        name = payload["name"] if isinstance(payload.get("name"), str) else None
        if event.event_type == EventType.CHECKPOINT_VERIFIED:
            holds: bool | None = payload.get("ok") is not False
            verdicts.setdefault(name, payload.get("ok") is not False)
        else:
            holds = verdicts.pop(name, None)
        found.append(_checkpoint(event, payload, name, holds))
    return found[::-1]


def _checkpoint(event: EventRecord, payload: dict[str, Any], name: str | None, holds: bool | None) -> Checkpoint:
    return Checkpoint(
        seq=event.seq,
        action="verified" if event.event_type == EventType.CHECKPOINT_VERIFIED else "committed",
        name=name,
        timestamp=event.timestamp,
        offset_us=event.offset_us,
        span_id=event.span_id,
        phase=event.phase,
        holds=holds,
        evidence=_references(payload.get("evidence")),
        facts={field: value for field, value in payload.items() if field not in _TOLD},
    )


def _references(evidence: Any) -> list[str]:
    """References as text, whatever they were given as: one alone, or several."""
    if evidence is None:
        return []
    given = evidence if isinstance(evidence, list) else [evidence]
    return [value if isinstance(value, str) else json_text.encode(value) for value in given[:_MOST_EVIDENCE]]
