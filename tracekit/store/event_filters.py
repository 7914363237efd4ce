"""Which events of a trace are shown: by phase, layer, span and actor.

Frames name none of these, so what is filtered are single events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, select

from tracekit.errors import InvalidInput
from tracekit.store.records import EventFilter, EventRecord
from tracekit.store.rows import EVENTS, SPANS, TraceHead, is_storable
from tracekit.store.windows import read_singles

__all__ = ["check_filter", "read_filtered"]

_LONGEST_VALUE = 256

# Rows that are read at once where only looking into them tells which are wanted.
_WINDOW = 200

_SPANS = select(SPANS.c.span_id).where(SPANS.c.trace_key == bindparam("key", type_=BigInteger))


def check_filter(filter: EventFilter) -> None:
    """See that its values can be looked for. Raises InvalidInput."""
    for name in ("phase", "layer", "span", "actor"):
        value = getattr(filter, name)
        if value is not None and (len(value) > _LONGEST_VALUE or not is_storable(value)):
            raise InvalidInput(f"{name}: at most {_LONGEST_VALUE} characters, none of them NUL", field=name)


def read_filtered(
    connection: Connection,
    head: TraceHead,
    filter: EventFilter,
    *,
    since: int,
    limit: int,
    types: Collection[str] | None = None,
) -> list[EventRecord]:
    """The first events after `since` that the filter selects, at most `limit`; of `types` only, where given."""
    found: list[EventRecord] = []
    conditions = tuple(_conditions(filter, types))
    more = True
    while more and len(found) < limit:
        window = read_singles(connection, head, since, limit if filter.actor is None else _WINDOW, *conditions)
        found += (event for event in window.events if _is_by(event, filter.actor))
        since, more = window.until, window.more
    return found[:limit]


def _conditions(filter: EventFilter, types: Collection[str] | None) -> Iterator[ColumnElement[bool]]:
    if types is not None:
        yield EVENTS.c.event_type.in_(sorted(types))
    if filter.phase is not None:
        yield EVENTS.c.phase == filter.phase
    if filter.span is not None:
        yield EVENTS.c.span_id == filter.span
    if filter.layer is not None:
        yield EVENTS.c.span_id.in_(_SPANS.where(SPANS.c.layer == filter.layer))


def _is_by(event: EventRecord, actor: str | None) -> bool:
    """Who did it stands in the payload, for apps in which several agents work on one trace."""
    return actor is None or (event.payload or {}).get("actor") == actor
