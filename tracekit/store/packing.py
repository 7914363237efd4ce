"""Frames gathered into a block, column by column, as the writer meets them.

This is the hottest code of the writer: adding a frame is two appends. What is usual is implied and costs nothing:
frames that follow one another without a number left out, and body messages that are one frame each.
"""

from __future__ import annotations

from itertools import accumulate, takewhile
from operator import sub

from tracekit.store.blocks import Block
from tracekit.types import Cut, ItemKind

__all__ = ["BlockBuilder"]

# A block is unpacked as a whole to read one of its frames; 256 frames or 256 KB are unpacked in a fraction of a ms.
_MOST_FRAMES = 256
_MOST_BYTES = 256 * 1024


class BlockBuilder:
    """The frames of one trace that are not written yet, and the body messages that brought them."""

    def __init__(self, *, wired: bool = False) -> None:
        """`wired`: what goes over the wire is not the frames' bytes (it is compressed), and is kept beside them."""
        self._wired = wired
        self._wire: list[bytes] = []
        self._message_sizes: list[int] = []
        self._message_offsets: list[int] = []
        self._whole = not wired
        """Each frame so far was one message, sent at its time; the lists of messages are empty then."""
        self._messages_to = 0
        self._frames_to = 0
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0
        self._first_seq = 0
        self._jumps: list[tuple[int, int]] = []
        self._offsets: list[int] = []
        self._raws: list[bytes] = []
        self._kinds: list[tuple[int, int]] = []
        self._cuts: list[tuple[int, int, str | None]] = []

    def __len__(self) -> int:
        return len(self._raws)

    @property
    def holds_wire_alone(self) -> bool:
        """Whether bytes went over the wire that no frame was made of, and no frame is here to carry them."""
        return not self._raws and any(self._wire)

    def add_whole(self, offsets_us: list[int], raws: list[bytes]) -> bool:
        """Add plain frames that are one body message each; whether the block is full."""
        if not self._whole:
            sizes = list(map(len, raws))
            self._message_sizes += sizes
            self._message_offsets += offsets_us
            self._frames_to += sum(sizes)
        self._raws += raws
        self._offsets += offsets_us
        self.bytes += sum(map(len, raws))
        return len(self._raws) >= _MOST_FRAMES or self.bytes >= _MOST_BYTES

    def add_message(self, size: int, offset_us: int, wire: bytes = b"") -> None:
        """Note a body message: its bytes come as frames, now or later."""
        if self._whole:
            self._spell_out()
        self._message_sizes.append(size)
        self._message_offsets.append(offset_us)
        if self._wired:
            self._wire.append(wire)

    def add_messages(self, sizes: list[int], offsets_us: list[int]) -> None:
        """Note several body messages."""
        if self._whole:
            self._spell_out()
        self._message_sizes += sizes
        self._message_offsets += offsets_us

    def add_frames(self, offsets_us: list[int], raws: list[bytes]) -> bool:
        """Add plain frames, after the messages that brought them; whether the block is full."""
        if self._whole:
            self._spell_out()
        self._offsets += offsets_us
        self._raws += raws
        size = sum(map(len, raws))
        self.bytes += size
        self._frames_to += size
        return len(self._raws) >= _MOST_FRAMES or self.bytes >= _MOST_BYTES

    def _spell_out(self) -> None:
        """The frames so far were one message each; from here on that is not so."""
        self._whole = False
        self._message_sizes = list(map(len, self._raws))
        self._message_offsets = list(self._offsets)
        self._frames_to += self.bytes

    def add(self, offset_us: int, kind: ItemKind, raw: bytes, cut: Cut | None = None) -> bool:
        """Add a frame, after the messages that brought it; whether the block is full. `cut` tells of bytes that were
        sent and are not in `raw`."""
        if self._whole:
            self._spell_out()
        if kind:
            self._kinds.append((len(self._raws), int(kind)))
        if cut is not None:
            self._cuts.append((len(self._raws), cut.length, cut.sha256))
        self._offsets.append(offset_us)
        self._raws.append(raw)
        self.bytes += len(raw)
        self._frames_to += len(raw) if cut is None else cut.length
        return len(self._raws) >= _MOST_FRAMES or self.bytes >= _MOST_BYTES

    def jump(self, count: int) -> None:
        """`count` numbers are given to events that stand in rows of their own."""
        if self._raws:
            self._jumps.append((len(self._raws), count))

    def skip(self, size: int) -> None:
        """A frame of `size` bytes was sent and is not stored."""
        if self._whole:
            self._spell_out()
        self._frames_to += size

    def build(self, first_seq: int) -> Block:
        """The frames added so far, at least one, as a block; the first has the number `first_seq`."""
        offsets, count = self._offsets, len(self._raws)
        block = Block(
            first_seq=first_seq,
            seq_jumps=_joined(self._jumps, count),
            offsets=[offsets[0], *map(sub, offsets[1:], offsets)],
            sizes=list(map(len, self._raws)),
            kinds=self._kinds,
            cuts=self._cuts,
            messages=None if self._whole else self._take_messages(),
            data=b"".join(self._raws),
            wire=b"".join(self._wire) if self._wired else None,
        )
        self._wire = []
        self._clear()
        return block

    def _take_messages(self) -> list[tuple[int, int]] | None:
        """The messages that ended with these frames. Once none is left over, frames may be whole messages again."""
        count = self._ended_messages()
        sizes, self._message_sizes = self._message_sizes[:count], self._message_sizes[count:]
        offsets, self._message_offsets = self._message_offsets[:count], self._message_offsets[count:]
        self._messages_to += sum(sizes)
        self._whole = not self._wired and not self._message_sizes and self._messages_to == self._frames_to
        if not self._cuts and not self._wired and offsets == self._offsets and sizes == list(map(len, self._raws)):
            return None
        return list(zip(sizes, offsets, strict=True))

    def _ended_messages(self) -> int:
        """How many of the messages ended with the frames so far."""
        sizes, ends_at = self._message_sizes, self._messages_to
        if self._wired or ends_at + sum(sizes) <= self._frames_to:
            return len(sizes)
        ends = accumulate(sizes, initial=ends_at)
        return sum(1 for _ in takewhile(lambda end: end <= self._frames_to, ends)) - 1


def _joined(jumps: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Several numbers left out at one place as one jump; those after the last frame are none of the block's."""
    joined: dict[int, int] = {}
    for place, left_out in jumps:
        if place < count:
            joined[place] = joined.get(place, 0) + left_out
    return list(joined.items())
