"""Response bodies cut into frames: body messages in, frames out, however the bytes were split.

The raw bytes of all frames joined together are the body. A frame's time is that of the body message which brought
its last byte. A frame that grows past a limit before it ends is not held in memory: its beginning is kept, and the
length and SHA-256 of the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tracekit import sse
from tracekit.types import Cut, Framing, ItemKind

__all__ = ["Framer", "Piece", "framer_for"]

_LINE_ENDS = re.compile(rb"[\r\n]*")


class Piece(NamedTuple):
    """One frame or keepalive, with its time in whatever unit the body messages had."""

    at: int
    kind: ItemKind
    raw: bytes
    cut: Cut | None = None


class Framer(Protocol):
    """Cuts one body."""

    def are_plain(self, bodies: Sequence[bytes]) -> bool:
        """Whether the next body messages are one plain frame each, as nearly all are. They need not be fed then."""

    def feed(self, at: int, body: bytes) -> list[Piece]:
        """The frames that this body message completes."""

    def finish(self) -> list[Piece]:
        """What is left when the body has ended."""


def framer_for(framing: Framing, limit: int) -> Framer:
    """The framer of a body. `limit`: most bytes of an unfinished frame held in memory."""
    if framing is Framing.SSE:
        return _SSEFramer(limit)
    return _LineFramer(limit) if framing is Framing.NDJSON else _WholeFramer()


class _WholeFramer:
    """One frame for each body message."""

    def are_plain(self, bodies: Sequence[bytes]) -> bool:
        return True

    def feed(self, at: int, body: bytes) -> list[Piece]:
        return [Piece(at, ItemKind.FRAME, body)]

    def finish(self) -> list[Piece]:
        return []


class _Pending:
    """The bytes of a frame that has not ended yet, or only its beginning and its last bytes once it is too long."""

    def __init__(self, limit: int) -> None:
        self.buffer = bytearray()
        self._limit = limit
        self._head = b""
        self._hash = hashlib.sha256()
        self._gone = 0

    def __bool__(self) -> bool:
        return bool(self.buffer or self._gone)

    def shrink(self, keep: int) -> int:
        """Give up all but the last `keep` bytes of a frame past the limit; how many bytes went."""
        gone = len(self.buffer) - keep
        if gone <= 0 or len(self.buffer) <= self._limit:
            return 0
        if not self._gone:
            self._head = bytes(self.buffer[: self._limit])
        self._hash.update(memoryview(self.buffer)[:gone])
        self._gone += gone
        del self.buffer[:gone]
        return gone

    def take(self, end: int) -> tuple[bytes, Cut | None]:
        """The frame that ends at `end` of the buffer: its bytes, or its beginning and what is known of the whole."""
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        if not self._gone:
            return raw, None
        self._hash.update(raw)
        cut = Cut(self._gone + len(raw), self._hash.hexdigest())
        self._gone, self._hash = 0, hashlib.sha256()
        return self._head, cut


class _SSEFramer:
    """Server-sent events. Blank lines before an event belong to it."""

    # "\r\n\r" may be the beginning of a boundary: one byte less than the longest.
    _MARGIN = 3

    def __init__(self, limit: int) -> None:
        self._pending = _Pending(limit)
        self._begun = False
        """A byte of the event itself was seen, not only blank lines."""
        self._scanned = 0
        """No boundary ends before this place of the buffer."""
        self._last_at = 0

    def are_plain(self, bodies: Sequence[bytes]) -> bool:
        return not self._pending and sse.are_plain(bodies)

    def feed(self, at: int, body: bytes) -> list[Piece]:
        buffer = self._pending.buffer
        held = len(buffer)
        buffer += body
        pieces = []
        while (end := self._boundary()) >= 0:
            # A carriage return that ended the last message has turned out to end an event of that time.
            pieces.append(self._piece(self._last_at if end <= held else at, end))
            held -= end
        self._scanned -= self._pending.shrink(self._MARGIN)
        self._last_at = at
        return pieces

    def _boundary(self) -> int:
        buffer = self._pending.buffer
        if not self._begun:
            blank = _LINE_ENDS.match(buffer, self._scanned)
            self._scanned = blank.end() if blank else 0
            self._begun = self._scanned < len(buffer)
        if not self._begun:
            return -1
        end = sse.next_boundary(buffer, self._scanned)
        if end < 0:
            self._scanned = max(self._scanned, len(buffer) - self._MARGIN)
        return end

    def _piece(self, at: int, end: int, kind: ItemKind | None = None) -> Piece:
        raw, cut = self._pending.take(end)
        self._begun, self._scanned = False, 0
        return Piece(at, _sse_kind(raw) if kind is None else kind, raw, cut)

    def finish(self) -> list[Piece]:
        buffer = self._pending.buffer
        if not self._pending:
            return []
        if not self._begun:
            return [self._piece(self._last_at, len(buffer), ItemKind.KEEPALIVE)]
        whole = sse.next_boundary(buffer, self._scanned, end_of_stream=True) == len(buffer)
        return [self._piece(self._last_at, len(buffer), None if whole else ItemKind.PARTIAL)]


class _LineFramer:
    """Newline-delimited JSON and its like: every line is a frame, an empty one a keepalive."""

    def __init__(self, limit: int) -> None:
        self._pending = _Pending(limit)
        self._last_at = 0

    def are_plain(self, bodies: Sequence[bytes]) -> bool:
        if self._pending or b"".join(bodies).count(b"\n") != len(bodies):
            return False
        return all(body.endswith(b"\n") and not body.isspace() for body in bodies)

    def feed(self, at: int, body: bytes) -> list[Piece]:
        self._last_at = at
        *lines, rest = body.split(b"\n")
        pieces = [self._line(at, line + b"\n") for line in lines]
        self._pending.buffer += rest
        self._pending.shrink(0)
        return pieces

    def _line(self, at: int, line: bytes) -> Piece:
        cut = None
        if self._pending:
            self._pending.buffer += line
            line, cut = self._pending.take(len(self._pending.buffer))
        return Piece(at, ItemKind.FRAME if line.strip() else ItemKind.KEEPALIVE, line, cut)

    def finish(self) -> list[Piece]:
        # A last line without its line feed is whole for every reader of such streams.
        return [self._line(self._last_at, b"")] if self._pending else []


def _sse_kind(raw: bytes) -> ItemKind:
    return ItemKind.KEEPALIVE if sse.is_keepalive(raw) else ItemKind.FRAME
