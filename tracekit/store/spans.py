"""The spans of a trace, as a tree page by page, and one of them whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, select

from tracekit import json_text
from tracekit.errors import InvalidInput, NotFound
from tracekit.reasons import REASONS
from tracekit.store.engine import Database
from tracekit.store.glimpses import text_preview
from tracekit.store.rows import SPANS, find_head, is_storable
from tracekit.store.span_trees import Place, SpanHead, places
from tracekit.store.tree_records import SpanDetail, SpanNode, SpanTreePage

__all__ = ["SpanReader", "count_spans"]

_MOST_ON_A_PAGE = 5000
_MOST_PREVIEW = 300

# A tree is put together in memory. Past this many spans those that began last are left out.
_LARGEST_TREE = 50_000

_KEY = bindparam("key", type_=BigInteger)
_COUNT = select(func.count()).where(SPANS.c.trace_key == _KEY)
_HEADS = (
    select(SPANS.c.span_id, SPANS.c.parent_span_id, SPANS.c.step_name, SPANS.c.started_at)
    .where(SPANS.c.trace_key == _KEY)
    .order_by(SPANS.c.started_at, SPANS.c.span_id)
    .limit(bindparam("limit", type_=BigInteger))
)
_SHOWN = (
    "layer", "step_name", "kind", "status", "reason_code", "started_at", "ended_at", "heartbeat_at",
)  # fmt: skip
_PREVIEWED = ("input_summary", "output_summary", "error")
_ROWS = select(
    SPANS.c.span_id,
    SPANS.c.parent_span_id,
    *(SPANS.c[name] for name in _SHOWN),
    *(func.substr(SPANS.c[name], 1, _MOST_PREVIEW + 1).label(name) for name in _PREVIEWED),
).where(SPANS.c.trace_key == _KEY, SPANS.c.span_id.in_(bindparam("ids", expanding=True)))
_ONE = select(SPANS).where(SPANS.c.trace_key == _KEY, SPANS.c.span_id == bindparam("span_id"))

# A statement takes so many parameters at least, on both databases.
_IDS_AT_ONCE = 500


class SpanReader:
    """The spans of traces in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, trace_id: str, limit: int, cursor: str | None) -> SpanTreePage:
        """At most `limit` spans in the order of the tree, from where `cursor` says. Raises NotFound, InvalidInput."""
        if not 1 <= limit <= _MOST_ON_A_PAGE:
            raise InvalidInput(f"limit: between 1 and {_MOST_ON_A_PAGE}", field="limit")
        start = _position(cursor)
        with self._database.reading() as connection:
            key = find_head(connection, trace_id).key
            heads = [SpanHead(*row) for row in connection.execute(_HEADS, {"key": key, "limit": _LARGEST_TREE})]
            total = count_spans(connection, key) if len(heads) == _LARGEST_TREE else len(heads)
            tree = places(heads)
            page = tree[start : start + limit]
            rows = _rows(connection, key, [place.span_id for place in page])
        items = [_node(place, rows[place.span_id]) for place in page]
        end = start + len(page)
        return SpanTreePage(items, str(end) if end < len(tree) else None, total, total - len(tree))

    def one(self, trace_id: str, span_id: str) -> SpanDetail:
        """One span whole. Raises NotFound where the trace has none of this id."""
        with self._database.reading() as connection:
            key = find_head(connection, trace_id).key
            found = is_storable(span_id) and connection.execute(_ONE, {"key": key, "span_id": span_id}).first()
        if not found:
            raise NotFound(f"the trace has no span {span_id[:32]!r}")
        return _detail(found)


def count_spans(connection: Connection, key: int) -> int:
    """How many spans a trace has."""
    return int(connection.execute(_COUNT, {"key": key}).scalar_one())


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 9):
        raise InvalidInput("this is no cursor of a list of spans", field="cursor")
    return int(cursor)


def _rows(connection: Connection, key: int, ids: Sequence[str]) -> dict[str, Row[Any]]:
    rows: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = connection.execute(_ROWS, {"key": key, "ids": ids[start : start + _IDS_AT_ONCE]})
        rows.update((row.span_id, row) for row in part)
    return rows


def _node(place: Place, row: Row[Any]) -> SpanNode:
    return SpanNode(
        span_id=place.span_id,
        parent_span_id=row.parent_span_id,
        depth=place.depth,
        path=place.path,
        orphan=place.orphan,
        cycle=place.cycle,
        children=place.children,
        **{name: row._mapping[name] for name in _SHOWN},
        duration_us=_duration(row),
        input_preview=text_preview(row.input_summary, _MOST_PREVIEW),
        output_preview=text_preview(row.output_summary, _MOST_PREVIEW),
        error_preview=text_preview(row.error, _MOST_PREVIEW),
    )


def _detail(row: Row[Any]) -> SpanDetail:
    reason = REASONS.get(row.reason_code or "")
    artifacts = _decoded(row.artifacts)
    return SpanDetail(
        span_id=row.span_id,
        parent_span_id=row.parent_span_id,
        **{name: row._mapping[name] for name in _SHOWN},
        reason_class=reason.reason_class if reason else None,
        advice=reason.advice if reason else None,
        duration_us=_duration(row),
        input=_decoded(row.input_summary),
        output=_decoded(row.output_summary),
        error=row.error,
        artifacts=artifacts if isinstance(artifacts, list) else [] if artifacts is None else [artifacts],
    )


def _duration(row: Row[Any]) -> int | None:
    """None while it is open. A clock that went backwards makes it 0."""
    return None if row.ended_at is None else max(row.ended_at - row.started_at, 0)


def _decoded(text: str | None) -> Any:
    """A column of JSON; text that is none stays as it is."""
    if text is None:
        return None
    try:
        return json_text.decode(text)
    except ValueError:
        return text
