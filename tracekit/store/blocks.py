"""Many stream frames in one row: packed, compressed, and taken apart again.

A chat has hundreds of frames; a row for each costs five times the time and eight times the space of a block. A block
holds the frames' bytes one after the other and, beside them, each frame's number, time, length and kind. It also
holds where the ASGI body messages ended, so that the response can be played back cut as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from operator import sub
from typing import NamedTuple

import msgspec
import zstandard

from tracekit.types import Cut, ItemKind

__all__ = ["Block", "Cut", "Item", "ItemKind", "Message", "merge", "pack", "unpack"]

# Level 1: a frame costs 0.1 µs and 6 bytes; higher levels cost several times that for little.
_COMPRESSION_LEVEL = 1

# Bytes. No writer makes one near as large; a blob that claims to be is damaged, and must not take the memory.
_LARGEST_BLOCK = 1 << 30

_KINDS = frozenset(ItemKind)


class Item(NamedTuple):
    """One frame or keepalive. `offset_us` counts from the start of the trace."""

    seq: int
    offset_us: int
    kind: ItemKind
    raw: bytes
    cut: Cut | None = None


class Message(NamedTuple):
    """One ASGI body message as the app sent it: bytes on the wire, and when."""

    size: int
    offset_us: int


class Block(msgspec.Struct, array_like=True):
    """A run of frames, column by column. Numbers are kept as differences: small, and alike, so they compress."""

    first_seq: int
    seq_jumps: list[tuple[int, int]]
    """(index, how many numbers are left out before it), where numbers are left out."""
    offsets: list[int]
    """The first absolute, the others as difference to the one before."""
    sizes: list[int]
    kinds: list[tuple[int, int]]
    """(index, kind) of those that are no plain frame."""
    cuts: list[tuple[int, int, str | None]]
    """(index, length as sent, SHA-256 as sent)."""
    messages: list[tuple[int, int]] | None
    """(size, offset) of each body message that ended here; None: one message for each frame, sent at its time."""
    data: bytes
    wire: bytes | None = None
    """The bytes on the wire where they are not `data`: a compressed response."""

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def of(cls, items: Sequence[Item], messages: Sequence[Message] | None, wire: bytes | None = None) -> Block:
        """A block of `items` in order of their numbers; there is at least one."""
        seqs, offsets, kinds, raws, cuts = zip(*items, strict=True)
        return cls(
            first_seq=seqs[0],
            seq_jumps=_jumps(seqs),
            offsets=[offsets[0], *map(sub, offsets[1:], offsets)],
            sizes=list(map(len, raws)),
            kinds=[(i, int(kind)) for i, kind in enumerate(kinds) if kind] if any(kinds) else [],
            cuts=[(i, cut.length, cut.sha256) for i, cut in enumerate(cuts) if cut] if any(cuts) else [],
            messages=None if messages is None else [(size, at) for size, at in messages],
            data=b"".join(raws),
            wire=wire,
        )

    @property
    def last_seq(self) -> int:
        """The number of the last frame."""
        return self.first_seq + len(self) - 1 + sum(left_out for _, left_out in self.seq_jumps)

    def seqs(self) -> Sequence[int]:
        """The number of each frame."""
        if not self.seq_jumps:
            return range(self.first_seq, self.first_seq + len(self))
        steps = [1] * len(self)
        steps[0] = self.first_seq
        for i, left_out in self.seq_jumps:
            steps[i] += left_out
        return list(accumulate(steps))

    def times(self) -> list[int]:
        """The offset of each frame from the start of the trace, in microseconds."""
        return list(accumulate(self.offsets))

    def raws(self, first: int = 0, stop: int | None = None) -> list[bytes]:
        """The bytes of each frame, or of those with an index from `first` to before `stop`."""
        start, data = sum(self.sizes[:first]), self.data
        ends = accumulate(self.sizes[first:stop], initial=start)
        return [data[begin:end] for begin, end in pairwise(ends)]

    def items(self) -> Iterator[Item]:
        """The frames, one by one."""
        kinds = [ItemKind.FRAME] * len(self)
        for i, kind in self.kinds:
            kinds[i] = ItemKind(kind)
        cuts: list[Cut | None] = [None] * len(self)
        for i, length, sha256 in self.cuts:
            cuts[i] = Cut(length, sha256)
        return map(Item._make, zip(self.seqs(), self.times(), kinds, self.raws(), cuts, strict=True))

    def body_messages(self) -> list[Message]:
        """The body messages that ended in this block. Their sizes add up to the wire's unless frames were cut."""
        if self.messages is None:
            sent = list(self.sizes)
            for i, length, _ in self.cuts:
                sent[i] = length
            return [Message(size, at) for size, at in zip(sent, self.times(), strict=True)]
        return [Message(size, at) for size, at in self.messages]

    def wire_bytes(self) -> bytes:
        """What went over the wire, as far as it is stored."""
        return self.data if self.wire is None else self.wire


def _jumps(seqs: Sequence[int]) -> list[tuple[int, int]]:
    if seqs[-1] - seqs[0] == len(seqs) - 1:
        return []
    return [(i, b - a - 1) for i, (a, b) in enumerate(pairwise(seqs), 1) if b - a != 1]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Block)


def pack(block: Block) -> bytes:
    """A block as the bytes of its row."""
    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(_encoder.encode(block))


def unpack(blob: bytes) -> Block:
    """The block of a row.

    Raises:
        ValueError: the bytes are no block, or its columns contradict one another.
    """
    try:
        if zstandard.frame_content_size(blob) > _LARGEST_BLOCK:
            raise ValueError("not a block of frames: larger than any")
        block = _decoder.decode(zstandard.ZstdDecompressor().decompress(blob))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError(f"not a block of frames: {error}") from None
    if not _is_coherent(block):
        raise ValueError("not a block of frames: its columns contradict one another")
    return block


def _is_coherent(block: Block) -> bool:
    count = len(block)
    indexes = [i for i, _ in block.seq_jumps] + [i for i, _ in block.kinds] + [i for i, _, _ in block.cuts]
    return (
        0 < count == len(block.offsets)
        and min(block.sizes) >= 0
        and sum(block.sizes) == len(block.data)
        and all(0 <= i < count for i in indexes)
        and all(kind in _KINDS for _, kind in block.kinds)
        and all(i and left_out > 0 for i, left_out in block.seq_jumps)
    )


def merge(blocks: Sequence[Block]) -> Block:
    """Several blocks, in order of their numbers, as one. Numbers that lie between them stay left out."""
    merged = Block(blocks[0].first_seq, [], [], [], [], [], None, b"")
    next_seq, last_time = merged.first_seq, 0
    for block in blocks:
        index = len(merged)
        left_out = block.first_seq - next_seq
        merged.seq_jumps += [(index, left_out)] if left_out else []
        merged.seq_jumps += [(index + i, count) for i, count in block.seq_jumps]
        merged.offsets += [block.offsets[0] - last_time, *block.offsets[1:]]
        merged.sizes += block.sizes
        merged.kinds += [(index + i, kind) for i, kind in block.kinds]
        merged.cuts += [(index + i, length, sha256) for i, length, sha256 in block.cuts]
        next_seq, last_time = block.last_seq + 1, sum(block.offsets)
    if any(block.messages is not None for block in blocks):
        merged.messages = [(size, at) for block in blocks for size, at in block.body_messages()]
    if any(block.wire is not None for block in blocks):
        merged.wire = b"".join([block.wire_bytes() for block in blocks])
    merged.data = b"".join([block.data for block in blocks])
    return merged
