"""The body of a recorded response, as it went over the wire."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, CompoundSelect, RowMapping, bindparam, func, select, union_all

from tracekit.errors import NotFound, StoreError
from tracekit.store.blocks import Block, Message, unpack
from tracekit.store.engine import Database
from tracekit.store.rows import EVENTS, TRACES, find_head, plain_id
from tracekit.types import was_seen_to_end

__all__ = ["BodyReader", "messages_of"]

# Blocks read by one statement; a block is some 256 KB unpacked.
_BLOCKS = 8

_KEY, _AFTER = (bindparam(name, type_=BigInteger) for name in ("key", "after"))
_E = EVENTS.c


def _blocks_statement() -> CompoundSelect[Any]:
    """The blocks that begin after a number, and the last one before it if that reaches beyond it."""
    blocks = select(_E.seq, _E.last_seq, _E.frames).where(_E.trace_key == _KEY, _E.frames.is_not(None))
    before = select(func.max(_E.seq)).where(_E.trace_key == _KEY, _E.seq <= _AFTER, _E.frames.is_not(None))
    following = blocks.where(_E.seq > _AFTER).order_by(_E.seq).limit(_BLOCKS).subquery()
    return union_all(blocks.where(_E.seq == before.scalar_subquery(), _E.last_seq > _AFTER), select(following))


_FOLLOWING_BLOCKS = _blocks_statement()

# Counters that tell that something the app sent is not stored.
_LOST = ("events_dropped", "bytes_dropped")
_CHANGED = ("payloads_cut", "payloads_redacted")
_FACTS = select(
    TRACES.c.id, TRACES.c.end_reason, TRACES.c.payloads_deleted, *(TRACES.c[name] for name in (*_LOST, *_CHANGED))
)


class _Merged(Exception):
    """Blocks that were read already stand in a larger one now."""


class BodyReader:
    """The response bodies that one database holds, read in constant memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pieces(self, trace_id: str) -> Iterator[bytes]:
        """The bytes of the body in order, cut anywhere. Raises NotFound before the first."""
        key = self._key(trace_id)
        sent = 0
        while True:
            try:
                for piece in _after(sent, (block.wire_bytes() for block in self._blocks(key))):
                    yield piece
                    sent += len(piece)
            except _Merged:
                continue
            return

    def messages(self, trace_id: str) -> Iterator[tuple[Message, bytes]]:
        """The body messages as the app sent them, with their bytes. Raises NotFound before the first."""
        key = self._key(trace_id)
        sent = 0
        while True:
            try:
                for message in islice(messages_of(self._blocks(key)), sent, None):
                    yield message
                    sent += 1
            except _Merged:
                continue
            return

    def is_exact(self, trace_id: str) -> bool:
        """Whether every byte of the body is stored as it was sent. Raises NotFound."""
        facts = self._facts(trace_id)
        return was_seen_to_end(facts["end_reason"]) and self._as_sent(facts)

    def is_unchanged(self, trace_id: str) -> bool:
        """Whether every byte that was captured is stored as it was sent, wherever that ends. Raises NotFound."""
        return self._as_sent(self._facts(trace_id))

    def _facts(self, trace_id: str) -> RowMapping:
        statement = _FACTS.where(TRACES.c.trace_id == plain_id(trace_id))
        with self._database.reading() as connection:
            facts = connection.execute(statement).mappings().first()
        if facts is None:
            raise NotFound(f"no trace has the id {trace_id}")
        return facts

    def _as_sent(self, facts: RowMapping) -> bool:
        if facts["payloads_deleted"] or any(facts[name] for name in _LOST):
            return False
        return not any(facts[name] for name in _CHANGED) or self._is_unchanged(facts["id"])

    def _is_unchanged(self, key: int) -> bool:
        """Whether what was cut or redacted are other payloads than the body."""
        while True:
            try:
                return not any(block.cuts for block in self._blocks(key))
            except _Merged:
                continue
            except StoreError:
                return False

    def _key(self, trace_id: str) -> int:
        with self._database.reading() as connection:
            return find_head(connection, trace_id).key

    def _blocks(self, key: int) -> Iterator[Block]:
        after, full = 0, True
        while full:
            with self._database.reading() as connection:
                rows = connection.execute(_FOLLOWING_BLOCKS, {"key": key, "after": after}).all()
            rows = sorted(rows, key=attrgetter("seq"))
            if rows and rows[0].seq <= after:
                raise _Merged
            full = len(rows) == _BLOCKS
            for row in rows:
                yield _readable(row.seq, row.frames)
                after = row.last_seq


def _readable(seq: int, blob: bytes) -> Block:
    try:
        return unpack(blob)
    except ValueError as error:
        raise StoreError(f"the block of frames at seq {seq} is damaged: {error}") from None


def _after(sent: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What follows the first `sent` bytes."""
    for piece in pieces:
        if len(piece) > sent:
            yield piece[sent:]
        sent = max(0, sent - len(piece))


_Piece = tuple[int, memoryview]
"""(bytes it was on the wire, what is stored of it)."""


def messages_of(blocks: Iterable[Block]) -> Iterator[tuple[Message, bytes]]:
    """Each message with its bytes; at last what is left over, where the end of a message was not recorded."""
    waiting: deque[_Piece] = deque()
    last_time = 0
    for block in blocks:
        waiting.extend(_pieces(block))
        for message in block.body_messages():
            yield message, _take(waiting, message.size)
        last_time = block.times()[-1]
    rest = b"".join(stored for _, stored in waiting)
    if rest:
        yield Message(len(rest), last_time), rest


def _pieces(block: Block) -> Iterator[_Piece]:
    if block.wire is not None or not block.cuts:
        stored = memoryview(block.wire_bytes())
        yield len(stored), stored
        return
    for item in block.items():
        yield len(item.raw) if item.cut is None else item.cut.length, memoryview(item.raw)


def _take(waiting: deque[_Piece], size: int) -> bytes:
    """The next `size` bytes of the wire. A frame that was changed goes whole with the message in which it began."""
    taken = []
    while size > 0 and waiting:
        length, stored = waiting.popleft()
        if length > size:
            split = size if length == len(stored) else len(stored)
            waiting.appendleft((length - size, stored[split:]))
            stored = stored[:split]
        taken.append(stored)
        size -= length
    return b"".join(taken)
