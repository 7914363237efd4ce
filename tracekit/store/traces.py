"""`TraceStore`: every question that is asked about recorded traces, answered with plain values."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import bindparam, func, select

from tracekit.errors import InvalidInput, NotFound
from tracekit.store.blocks import Message
from tracekit.store.body import BodyReader
from tracekit.store.cursors import FIRST, Position, decode_cursor, encode_cursor
from tracekit.store.deletion import BATCH_MS, Deleter, OnDeleted, Pause
from tracekit.store.engine import Database
from tracekit.store.events import EventReader
from tracekit.store.landmarks import Landmarks, landmarks_of
from tracekit.store.questions import Questions
from tracekit.store.records import (
    DeletionEstimate,
    EventFilter,
    EventPage,
    EventRecord,
    Neighbours,
    Page,
    Snapshot,
    StoreCounts,
    Texts,
    TraceFilter,
    TraceRecord,
    Visible,
)
from tracekit.store.rows import TRACE_COLUMNS, TRACES, find_head, plain_id, trace_record
from tracekit.store.search import conditions, is_visible, newest_first, oldest_first
from tracekit.store.texts import ReadFrames, TextReader, find_trace

__all__ = ["TraceStore"]

_MOST_TRACES = 500

_ANY_EVENT = EventFilter()

_PLACE = select(TRACES.c.started_at, TRACES.c.id).where(TRACES.c.trace_id == bindparam("trace_id"))
_ID = select(TRACES.c.trace_id)

# Built once: taking in sixty columns costs more than reading a trace.
_LISTED = select(*TRACE_COLUMNS, TRACES.c.id)


class TraceStore(Questions):
    """The traces in one database, whichever process records them. Safe to use from several threads.

    Every method may raise StoreUnavailable. A trace id may be written with dashes and in capitals; where none has
    it, NotFound is raised.
    """

    def __init__(
        self, database: Database, *, on_deleted: OnDeleted | None = None, read_frames: ReadFrames | None = None
    ) -> None:
        """`on_deleted` hears the ids of traces that were deleted here and did not run. It must not raise.
        `read_frames` tells what a trace says whose texts are not stored, since it runs or its process died."""
        super().__init__(database)
        self.database = database
        self._events = EventReader(database)
        self._texts = TextReader(database, self._events, read_frames)
        self._body = BodyReader(database)
        self._deleter = Deleter(database, on_deleted)

    # Traces

    def list_traces(
        self, filter: TraceFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> Page[TraceRecord]:
        """The traces that a filter selects, newest first: by the order in which they were stored; by their start
        where the filter names a time. `cursor` is the `next_cursor` of the page before.

        Raises:
            InvalidInput: the limit is not within 1 to 500, or a filter or the cursor is malformed.
        """
        if not 1 <= limit <= _MOST_TRACES:
            raise InvalidInput(f"limit: between 1 and {_MOST_TRACES}", field="limit")
        filter = filter or TraceFilter()
        after = FIRST if cursor is None else decode_cursor(cursor, filter)
        with self.database.reading() as connection:
            statement = _LISTED.where(*conditions(filter, after, self.database.dialect))
            rows = connection.execute(statement.order_by(*newest_first(filter)).limit(limit + 1)).all()
        items = [trace_record(row[:-1]) for row in rows[:limit]]
        last = Position(items[-1].started_at, rows[limit - 1].id) if len(rows) > limit else None
        return Page(items, None if last is None else encode_cursor(last, filter))

    def neighbours(self, trace_id: str, filter: TraceFilter | None = None) -> Neighbours:
        """The traces beside this one in the list that a filter selects, whether or not it selects this one."""
        filter = filter or TraceFilter()
        with self.database.reading() as connection:
            head = connection.execute(_PLACE, {"trace_id": plain_id(trace_id)}).first()
            if head is None:
                raise NotFound(f"no trace has the id {trace_id}")
            place = Position(head.started_at, head.id)
            dialect = self.database.dialect
            newer = _ID.where(*conditions(filter, place, dialect, newer=True)).order_by(*oldest_first(filter))
            older = _ID.where(*conditions(filter, place, dialect)).order_by(*newest_first(filter))
            return Neighbours(
                connection.execute(newer.limit(1)).scalar(),
                connection.execute(older.limit(1)).scalar(),
            )

    def landmarks(self, trace_id: str) -> Landmarks:
        """Where to look in the events of a trace. Reads all of them."""
        return landmarks_of(self.iterate_events(trace_id), self.get(trace_id).first_content_us)

    def get(self, trace_id: str) -> TraceRecord:
        """One trace."""
        with self.database.reading() as connection:
            return find_trace(connection, trace_id)

    def exists(self, trace_id: str) -> bool:
        """Whether a trace has this id; False for what is no id."""
        try:
            with self.database.reading() as connection:
                find_head(connection, trace_id)
        except NotFound:
            return False
        return True

    def last_activity(self, trace_ids: Sequence[str]) -> Mapping[str, int]:
        """When the last event of each trace came, in microseconds UTC; ids that no trace has are left out. The ids
        are 32 lower-case hexadecimal digits, some hundreds at most."""
        statement = select(TRACES.c.trace_id, TRACES.c.last_event_at).where(TRACES.c.trace_id.in_(trace_ids))
        with self.database.reading() as connection:
            return {trace_id: int(at) for trace_id, at in connection.execute(statement)}

    def children(self, trace_id: str, *, limit: int = _MOST_TRACES) -> Sequence[TraceRecord]:
        """The traces that name this one as their parent, oldest first; none where the trace itself is unknown."""
        statement = select(*TRACE_COLUMNS).where(TRACES.c.parent_trace_id == plain_id(trace_id))
        with self.database.reading() as connection:
            rows = connection.execute(statement.order_by(TRACES.c.id).limit(limit)).all()
        return [trace_record(row) for row in rows]

    def counts(self) -> StoreCounts:
        """How many traces there are, by status, and how large the database is."""
        with self.database.reading() as connection:
            rows = connection.execute(select(TRACES.c.status, func.count()).group_by(TRACES.c.status)).all()
        by_status = {status: int(count) for status, count in rows}
        return StoreCounts(sum(by_status.values()), by_status, self.database.size_bytes())

    # Events

    def events(
        self,
        trace_id: str,
        *,
        since_seq: int = 0,
        limit: int = 500,
        types: Collection[str] | None = None,
        filter: EventFilter = _ANY_EVENT,
    ) -> EventPage:
        """The events that follow `since_seq`, in order of seq; of `types` only, where given, and those that a filter
        selects.

        Raises:
            InvalidInput: the limit is not within 1 to 2000, or another argument is out of its range.
        """
        return self._events.page(trace_id, since_seq, limit, types, filter)

    def latest_events(self, trace_id: str, limit: int = 50) -> Sequence[EventRecord]:
        """The last events, oldest first. Raises InvalidInput unless the limit is within 1 to 2000."""
        return self._events.latest(trace_id, limit)

    def iterate_events(
        self, trace_id: str, *, since_seq: int = 0, types: Collection[str] | None = None
    ) -> Iterator[EventRecord]:
        """All events after `since_seq`, in constant memory and without keeping the database. The errors of
        `events` are raised before the first event."""
        return self._events.iterate(trace_id, since_seq, types)

    def require_visible(self, trace_id: str, limit: Visible) -> None:
        """See that a trace is one of those that a limit lets see. Raises NotFound, as if it were not there."""
        statement = _ID.where(TRACES.c.trace_id == plain_id(trace_id), is_visible(limit))
        with self.database.reading() as connection:
            if connection.execute(statement).first() is None:
                raise NotFound(f"no trace has the id {trace_id}")

    # Texts

    def texts(self, trace_id: str) -> Texts:
        """Prompt, answer and reasoning, as far as they were said until now."""
        return self._texts.texts(trace_id)

    def snapshot(self, trace_id: str) -> Snapshot:
        """How a trace stands now: what a reader needs who joins while it is being written."""
        return self._texts.snapshot(trace_id)

    # The body

    def body(self, trace_id: str) -> Iterator[bytes]:
        """The response body as it went over the wire, piece by piece, in constant memory.

        Raises:
            StoreError: a block of frames is damaged.
        """
        return self._body.pieces(trace_id)

    def body_messages(self, trace_id: str) -> Iterator[tuple[Message, bytes]]:
        """The body messages as the app sent them, each with its bytes. Raises as `body` does."""
        return self._body.messages(trace_id)

    def is_exact(self, trace_id: str) -> bool:
        """Whether `body` is what the app sent, byte for byte: nothing was cut, redacted, dropped or deleted, and the
        end was seen. False while the trace runs, and where its process died."""
        return self._body.is_exact(trace_id)

    def is_unchanged(self, trace_id: str) -> bool:
        """Whether `body` is the beginning of what the app sent, byte for byte; all of it where `is_exact` says so."""
        return self._body.is_unchanged(trace_id)

    # Deleting

    def delete(self, trace_id: str) -> bool:
        """Delete a trace with all it holds, running or not. False where there was none."""
        try:
            return self._deleter.delete(trace_id)
        except NotFound:
            return False

    def estimate_deletion(self, before: int) -> DeletionEstimate:
        """What `delete_before` would delete. `before` is a moment in microseconds UTC."""
        return self._deleter.estimate(before)

    def delete_before(self, before: int, *, batch_ms: float = BATCH_MS, pause: Pause = time.sleep) -> Iterator[int]:
        """Delete the traces that started before a moment, but for those that still run.

        Yields after each batch how many traces it deleted; a batch keeps the database for about `batch_ms`, and
        `pause` is called to wait after each. Nothing is deleted that is not asked for by iterating.
        """
        return self._deleter.traces_before(before, batch_ms, pause)

    def delete_payloads_before(
        self, before: int, *, batch_ms: float = BATCH_MS, pause: Pause = time.sleep
    ) -> Iterator[int]:
        """Delete the frames, payloads and texts of the traces that started before a moment, but for those that
        still run. The traces stay, and what happened when; `payloads_deleted` is set. Yields as `delete_before`."""
        return self._deleter.payloads_before(before, batch_ms, pause)
