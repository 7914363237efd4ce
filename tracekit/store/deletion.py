"""Deleting traces, or only what they hold, in batches that keep the database for a moment each.

A batch is one short transaction. It is filled by the clock: small deletions are made until its time is used up, so
its length is right on a fast disk and on a slow one. A large trace is taken apart over several batches; while that
goes on, its row says that payloads are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Row,
    Update,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from tracekit.errors import StoreFull
from tracekit.store.engine import Database
from tracekit.store.records import DeletionEstimate
from tracekit.store.rows import EVENTS, GREATEST_INTEGER, SPANS, TEXTS, TRACES, plain_id
from tracekit.types import TraceStatus

__all__ = ["BATCH_MS", "Deleter", "OnDeleted", "Pause"]

BATCH_MS = 50.0
"""How long a batch may keep the database, in milliseconds. Longer ones make those who write wait noticeably."""

Pause = Callable[[float], object]
"""Waits so many seconds between two batches."""

OnDeleted = Callable[[Sequence[str]], object]
"""Hears the ids of traces that were deleted, after the transaction that did it."""

# One deletion inside a batch: so many traces, events and bytes at most. Some few milliseconds of work.
_TRACES_AT_ONCE = 32
_EVENTS_AT_ONCE = 1000
_BYTES_AT_ONCE = 1024 * 1024

# Traces looked up by one query.
_PAGE = 512

# The part of a batch in which rows are deleted; the rest is the commit, and how long that takes is learnt.
_FIRST_SHARE, _LEAST_SHARE = 0.5, 0.1


class _Trace(NamedTuple):
    """What is to be deleted, and how much work that is."""

    key: int
    last_seq: int
    size: int
    trace_id: str
    running: bool

    @classmethod
    def of(cls, row: Row[Any]) -> _Trace:
        """The trace of a row of `_WORK`."""
        return cls(row.id, row.last_seq, row.bytes_stored, row.trace_id, row.status == TraceStatus.RUNNING.value)

    @property
    def is_large(self) -> bool:
        return self.last_seq > _EVENTS_AT_ONCE or self.size > _BYTES_AT_ONCE

    def parts(self) -> Iterator[ColumnElement[bool]]:
        """Conditions that together select its events, some at a time."""
        width = min(_EVENTS_AT_ONCE, max(1, _BYTES_AT_ONCE * self.last_seq // max(self.size, 1)))
        for start in range(0, self.last_seq + 1, width):
            yield and_(EVENTS.c.trace_key == self.key, EVENTS.c.seq.between(start, start + width - 1))


@dataclass(frozen=True, slots=True)
class _Step:
    """A small deletion. `traces` are done when it is, and those with the ids `gone` are no more."""

    statements: tuple[Delete | Update, ...]
    traces: int = 0
    gone: tuple[str, ...] = ()

    def run(self, connection: Connection) -> None:
        for statement in self.statements:
            connection.execute(statement)


_WORK = select(*(TRACES.c[name] for name in ("started_at", "id", "last_seq", "bytes_stored", "trace_id", "status")))


class Deleter:
    """Deletes from one database."""

    def __init__(self, database: Database, on_deleted: OnDeleted | None = None) -> None:
        self._database = database
        self._on_deleted = on_deleted

    def delete(self, trace_id: str) -> bool:
        """Delete one trace with all it holds; False where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(_WORK.where(TRACES.c.trace_id == plain_id(trace_id))).first()
        if row is None:
            return False
        for _ in self._with_room(lambda: self._batches(_deletion([_Trace.of(row)]), BATCH_MS, time.sleep)):
            pass
        return True

    def estimate(self, before: int) -> DeletionEstimate:
        """What deleting the ended traces that started before a moment would remove."""
        held = case((TRACES.c.payloads_deleted, 0), else_=TRACES.c.bytes_stored)
        statement = select(func.count(), func.coalesce(func.sum(held), 0)).where(*_ended(before))
        with self._database.reading() as connection:
            traces, size = connection.execute(statement).one()
        return DeletionEstimate(int(traces), int(size))

    def traces_before(self, before: int, batch_ms: float, pause: Pause) -> Iterator[int]:
        """Delete the ended traces that started before a moment; yields how many each batch deleted."""
        yield from self._with_room(lambda: self._deleted(_ended(before), _deletion, batch_ms, pause))

    def payloads_before(self, before: int, batch_ms: float, pause: Pause) -> Iterator[int]:
        """Delete what the ended traces hold that started before a moment; yields how many each batch did."""
        chosen = [*_ended(before), _holds_payloads()]
        yield from self._with_room(lambda: self._deleted(chosen, _emptying, batch_ms, pause))

    def _deleted(
        self,
        conditions: list[ColumnElement[bool]],
        steps: Callable[[list[_Trace]], Iterator[_Step]],
        batch_ms: float,
        pause: Pause,
    ) -> Iterator[int]:
        for traces in self._pages(conditions):
            yield from self._batches(steps(traces), batch_ms, pause)

    def _with_room(self, work: Callable[[], Iterator[int]]) -> Iterator[int]:
        """On a full disk let go of the reserve, and begin again with what is left to do."""
        try:
            yield from work()
        except StoreFull:
            if not self._database.make_room():
                raise
            yield from work()

    def _pages(self, conditions: list[ColumnElement[bool]]) -> Iterator[list[_Trace]]:
        """The traces that meet the conditions, oldest first."""
        order = tuple_(TRACES.c.started_at, TRACES.c.id)
        position = (-GREATEST_INTEGER, -GREATEST_INTEGER)
        statement = _WORK.where(*conditions).order_by(TRACES.c.started_at, TRACES.c.id).limit(_PAGE)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(statement.where(order > tuple_(*map(literal, position)))).all()
            if not rows:
                return
            yield list(map(_Trace.of, rows))
            position = (rows[-1].started_at, rows[-1].id)

    def _batches(self, steps: Iterator[_Step], batch_ms: float, pause: Pause) -> Iterator[int]:
        """Run the steps in transactions of `batch_ms`; between two, rest as long as the last one took, so that
        those who wait for the database get their turn."""
        step, share = next(steps, None), _FIRST_SHARE
        while step is not None:
            began = time.monotonic()
            with self._database.writing() as connection:
                started = time.monotonic()
                done, step = _run(step, steps, connection, started + batch_ms / 1000 * share)
                worked = time.monotonic()
            ended = time.monotonic()
            last_share = (worked - started) / max(ended - started, 1e-6)
            share = max(_LEAST_SHARE, min(last_share, (share + last_share) / 2))
            self._tell(done)
            yield sum(each.traces for each in done)
            pause(ended - began)

    def _tell(self, done: list[_Step]) -> None:
        gone = [trace_id for step in done for trace_id in step.gone]
        if gone and self._on_deleted is not None:
            self._on_deleted(gone)


def _run(
    step: _Step, following: Iterator[_Step], connection: Connection, deadline: float
) -> tuple[list[_Step], _Step | None]:
    """Run a step and those that follow until the deadline; the steps that are done, and the first that is not."""
    step.run(connection)
    done = [step]
    for following_step in following:
        if time.monotonic() >= deadline:
            return done, following_step
        following_step.run(connection)
        done.append(following_step)
    return done, None


def _ended(before: int) -> list[ColumnElement[bool]]:
    moment = max(-GREATEST_INTEGER, min(before, GREATEST_INTEGER))
    return [TRACES.c.started_at < moment, TRACES.c.status != TraceStatus.RUNNING.value]


def _holds_payloads() -> ColumnElement[bool]:
    """Whether payloads are left: they were not deleted, or that of a large trace was interrupted."""
    frames = exists().where(EVENTS.c.trace_key == TRACES.c.id, EVENTS.c.frames.is_not(None))
    large = or_(TRACES.c.last_seq > _EVENTS_AT_ONCE, TRACES.c.bytes_stored > _BYTES_AT_ONCE)
    return or_(TRACES.c.payloads_deleted.is_(False), and_(large, frames))


def _deletion(traces: list[_Trace]) -> Iterator[_Step]:
    """Steps that delete traces: the rows of a trace go with it, those of a large one beforehand."""
    for group in _groups(traces):
        keys = [trace.key for trace in group]
        if group[0].is_large:
            yield _Step((update(TRACES).where(TRACES.c.id.in_(keys)).values(payloads_deleted=True),))
            yield from (_Step((delete(EVENTS).where(part),)) for part in group[0].parts())
        # What a running trace is still at work with, such as its workspace, is not taken from it.
        gone = tuple(trace.trace_id for trace in group if not trace.running)
        yield _Step((delete(TRACES).where(TRACES.c.id.in_(keys)),), len(keys), gone)


def _emptying(traces: list[_Trace]) -> Iterator[_Step]:
    """Steps that delete frames, payloads and texts. What happened and when stays, and so do the spans' times."""
    for group in _groups(traces):
        keys = [trace.key for trace in group]
        if group[0].is_large:
            yield _Step(_texts_gone(keys))
            yield from (_Step(_frames_gone(part)) for part in group[0].parts())
            yield _Step((), 1)
        else:
            yield _Step((*_texts_gone(keys), *_frames_gone(EVENTS.c.trace_key.in_(keys))), len(keys))


def _texts_gone(keys: list[int]) -> tuple[Delete | Update, ...]:
    previews = {"prompt_preview": None, "answer_preview": None}
    held = dict.fromkeys(("input_summary", "output_summary", "artifacts"))
    return (
        update(TRACES).where(TRACES.c.id.in_(keys)).values(payloads_deleted=True, **previews),
        delete(TEXTS).where(TEXTS.c.trace_key.in_(keys)),
        update(SPANS).where(SPANS.c.trace_key.in_(keys)).values(held),
    )


def _frames_gone(part: ColumnElement[bool]) -> tuple[Delete | Update, ...]:
    return (
        delete(EVENTS).where(part, EVENTS.c.frames.is_not(None)),
        update(EVENTS).where(part, EVENTS.c.payload.is_not(None)).values(payload=None),
    )


def _groups(traces: list[_Trace]) -> Iterator[list[_Trace]]:
    """Traces that together are little work; a large one comes alone."""
    group: list[_Trace] = []
    events = size = 0
    for trace in traces:
        events, size = events + trace.last_seq, size + trace.size
        if group and (len(group) == _TRACES_AT_ONCE or events > _EVENTS_AT_ONCE or size > _BYTES_AT_ONCE):
            yield group
            group, events, size = [], trace.last_seq, trace.size
        group.append(trace)
    if group:
        yield group
