"""Packing frames into blocks and taking them out again."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tracekit.store.blocks import Block, Item, Message, merge, pack, unpack
from tracekit.types import Cut, EventType, ItemKind

_sha256 = st.binary(max_size=4).map(lambda raw: hashlib.sha256(raw).hexdigest())
_cuts = st.none() | st.builds(Cut, st.integers(0, 2**40), st.none() | _sha256)
_moments = st.integers(-(2**62), 2**62)


@st.composite
def _items(draw: st.DrawFn, after: int = 0) -> list[Item]:
    """Frames in order of their numbers, of any bytes, kinds and times; clocks may go backwards."""
    jumps = draw(st.lists(st.integers(1, 3) | st.integers(1, 2**40), min_size=1, max_size=20))
    items = []
    for jump in jumps:
        after += jump
        kind = draw(st.sampled_from(ItemKind))
        items.append(Item(after, draw(_moments), kind, draw(st.binary(max_size=40)), draw(_cuts)))
    return items


_messages = st.none() | st.lists(st.builds(Message, st.integers(0, 2**40), _moments), max_size=20)
_wires = st.none() | st.binary(max_size=100)


@given(_items(), _messages, _wires)
def test_what_is_packed_comes_out_again(items: list[Item], messages: list[Message] | None, wire: bytes | None):
    """A block loses nothing of its frames, its messages or the bytes on the wire, whatever they are."""
    block = unpack(pack(Block.of(items, messages, wire)))
    assert list(block.items()) == items
    assert list(block.seqs()) == [item.seq for item in items]
    assert block.times() == [item.offset_us for item in items]
    assert block.last_seq == items[-1].seq
    assert len(block) == len(items)
    assert block.wire_bytes() == (b"".join(item.raw for item in items) if wire is None else wire)
    if messages is not None:
        assert block.body_messages() == messages


@given(_items(), st.integers(0, 20), st.integers(0, 20))
def test_a_part_of_the_frames_can_be_taken_alone(items: list[Item], first: int, stop: int):
    """Any run of frames has the bytes it has among all."""
    block = Block.of(items, None)
    assert block.raws(first, stop) == [item.raw for item in items[first:stop]]


@given(st.data(), st.integers(1, 5))
def test_merged_blocks_hold_what_the_blocks_held(data: st.DataObject, count: int):
    """Merging changes nothing that a reader of the blocks, one after the other, could see."""
    blocks: list[Block] = []
    for _ in range(count):
        items = data.draw(_items(after=blocks[-1].last_seq if blocks else 0))
        blocks.append(Block.of(items, data.draw(_messages), data.draw(_wires)))
    merged = unpack(pack(merge(blocks)))
    assert list(merged.items()) == [item for block in blocks for item in block.items()]
    assert merged.body_messages() == [message for block in blocks for message in block.body_messages()]
    assert merged.wire_bytes() == b"".join(block.wire_bytes() for block in blocks)
    assert merged.last_seq == blocks[-1].last_seq


def test_frames_sent_one_by_one_are_the_messages():
    """Without messages of its own a block says that each frame was one, with its size as it was sent."""
    items = [Item(1, 10, ItemKind.FRAME, b"abc"), Item(2, 25, ItemKind.FRAME, b"d", Cut(900, None))]
    assert Block.of(items, None).body_messages() == [Message(3, 10), Message(900, 25)]


def test_readers_see_keepalives_as_keepalives_and_everything_else_as_frames():
    """The kind of an item decides its event type; the rest of a broken stream is a frame too."""
    seen = {kind: kind.event_type for kind in ItemKind}
    assert seen == {
        ItemKind.FRAME: EventType.STREAM_FRAME,
        ItemKind.KEEPALIVE: EventType.STREAM_KEEPALIVE,
        ItemKind.PARTIAL: EventType.STREAM_FRAME,
    }


@given(st.binary(max_size=200))
def test_bytes_that_are_no_block_are_refused(blob: bytes):
    """Garbage in a row is a ValueError, never another error and never frames."""
    with pytest.raises(ValueError, match="not a block of frames"):
        unpack(blob)


@given(st.binary(max_size=200))
def test_compressed_bytes_that_are_no_block_are_refused(garbage: bytes):
    """Garbage that can be decompressed is refused as well."""
    with pytest.raises(ValueError, match="not a block of frames"):
        unpack(zstandard.ZstdCompressor().compress(garbage))


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_block_is_a_block_or_refused(position: int, byte: int):
    """One wrong byte gives frames that can be walked through, or a ValueError."""
    blob = bytearray(pack(Block.of([Item(i, i, ItemKind.FRAME, b"data: %d\n\n" % i) for i in range(1, 50)], None)))
    blob[position % len(blob)] = byte
    try:
        block = unpack(bytes(blob))
    except ValueError:
        return
    assert len(list(block.items())) == len(block)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": [3]},
        {"sizes": [-3, 6]},
        {"sizes": [], "offsets": []},
        {"offsets": [1]},
        {"data": b"abcd"},
        {"kinds": [(2, 1)]},
        {"kinds": [(-1, 1)]},
        {"kinds": [(0, 7)]},
        {"cuts": [(5, 10, None)]},
        {"seq_jumps": [(0, 1)]},
        {"seq_jumps": [(1, -1)]},
        {"seq_jumps": [(9, 1)]},
    ],
)
def test_columns_that_contradict_one_another_are_refused(wrong: dict[str, object]):
    """A block whose columns do not fit together is damage, not something to guess at."""
    block = Block.of([Item(1, 0, ItemKind.FRAME, b"abc"), Item(2, 1, ItemKind.FRAME, b"")], None)
    with pytest.raises(ValueError, match="contradict"):
        unpack(pack(msgspec.structs.replace(block, **wrong)))


def test_a_block_that_claims_to_be_huge_is_refused_before_memory_is_taken():
    """The size in the head of a compressed block is looked at before it is believed."""
    head = b"\x28\xb5\x2f\xfd" + b"\xe0" + (2**40).to_bytes(8, "little")
    with pytest.raises(ValueError, match="larger than any"):
        unpack(head + b"\x00" * 20)
