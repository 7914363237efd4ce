"""The events of a job, as methods: phases, checkpoints, work items, progress and retries.

Each is `log` with the event type and the names that readers look for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tracekit.outline import outline
from tracekit.types import EventType

__all__ = ["Milestones"]


class Milestones:
    """What a trace can be told, beside free words. Every method returns at once and never raises."""

    __slots__ = ()

    def log(self, event_type: str, /, **payload: Any) -> None:
        """Record an event."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A part of the work. Events carry its name from here until it is left or another is entered: phases follow
        one another and do not nest."""
        self.log(EventType.PHASE_ENTERED, phase=name)
        try:
            yield
        finally:
            self.log(EventType.PHASE_EXITED, phase=name)

    def checkpoint_committed(self, name: str, *, evidence: Sequence[str] = (), **facts: Any) -> None:
        """A state was reached from which the work can go on. `evidence`: references to what shows it."""
        self.log(EventType.CHECKPOINT_COMMITTED, name=name, evidence=_references(evidence), **facts)

    def checkpoint_verified(self, name: str, *, ok: bool = True, evidence: Sequence[str] = (), **facts: Any) -> None:
        """A checkpoint was looked at again, and holds or does not."""
        self.log(EventType.CHECKPOINT_VERIFIED, name=name, ok=ok, evidence=_references(evidence), **facts)

    def work_item_started(self, item: str, **facts: Any) -> None:
        """One of many things to do has begun."""
        self.log(EventType.WORK_ITEM_STARTED, item=item, **facts)

    def work_item_progress(self, item: str, done: float, total: float | None = None, **facts: Any) -> None:
        """It is so far."""
        self.log(EventType.WORK_ITEM_PROGRESS, item=item, done=done, total=total, **facts)

    def work_item_finished(self, item: str, *, ok: bool = True, **facts: Any) -> None:
        """It is done, well or not."""
        self.log(EventType.WORK_ITEM_FINISHED, item=item, ok=ok, **facts)

    def persist_progress(self, saved: int, **facts: Any) -> None:
        """So much is saved by now."""
        self.log(EventType.PERSIST_PROGRESS, saved=saved, **facts)

    def retry(self, attempt: int, *, reason: str | None = None, delay_s: float | None = None, **facts: Any) -> None:
        """Something is tried again, for the `attempt`-th time."""
        self.log(EventType.RETRY, attempt=attempt, reason=reason, delay_s=delay_s, **facts)


def _references(evidence: Any) -> list[Any]:
    """Several references; one alone stands for a list of it."""
    if evidence is None:
        return []
    several = evidence if isinstance(evidence, list | tuple | set | frozenset) else [evidence]
    return [outline(reference) for reference in several]
