"""Bodies are cut into the same frames however their bytes were split."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.framing import Framer, Piece, framer_for
from tracekit.store.blocks import ItemKind
from tracekit.types import Framing

STREAM_BYTES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"data: ", b"data:", b":", b"event: ping", b"\xef\xbb\xbf"]
        ),
        st.binary(max_size=8),
    ),
    max_size=40,
).map(b"".join)


def fed(framer: Framer, at: int, message: bytes) -> list[Piece]:
    """What becomes of a message, by the short way where there is one."""
    return [Piece(at, ItemKind.FRAME, message)] if framer.are_plain([message]) else framer.feed(at, message)


def frames(framing: Framing, messages: list[bytes], limit: int = 1 << 20) -> list[tuple[ItemKind, bytes]]:
    framer = framer_for(framing, limit)
    pieces = [piece for at, message in enumerate(messages) for piece in fed(framer, at, message)]
    return [(piece.kind, piece.raw) for piece in [*pieces, *framer.finish()]]


def split(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[a:b] for a, b in pairwise(edges)]


@given(STREAM_BYTES, st.lists(st.integers(0, 10_000), max_size=20))
@pytest.mark.parametrize("framing", [Framing.SSE, Framing.NDJSON])
def test_frames_do_not_depend_on_how_the_bytes_were_split(framing: Framing, body: bytes, places: list[int]) -> None:
    """Whole, byte by byte and cut anywhere, a body gives the same frames, and they join to the body."""
    whole = frames(framing, [body])
    assert frames(framing, split(body, places)) == whole
    assert frames(framing, [bytes([byte]) for byte in body]) == whole
    assert b"".join(raw for _, raw in whole) == body


@given(STREAM_BYTES, st.lists(st.integers(0, 10_000), max_size=20), st.integers(1, 30))
def test_a_frame_past_the_limit_keeps_its_beginning_length_and_hash(body: bytes, places: list[int], limit: int) -> None:
    """However small the limit, frames end where they end, and a cut one tells the length and hash of the whole."""
    whole = frames(Framing.SSE, [body])
    framer = framer_for(Framing.SSE, limit)
    pieces = [piece for message in split(body, places) for piece in fed(framer, 0, message)] + framer.finish()
    assert len(pieces) == len(whole)
    for piece, (_, raw) in zip(pieces, whole, strict=True):
        if piece.cut is None:
            assert piece.raw == raw
        else:
            assert raw.startswith(piece.raw)
            assert piece.cut == (len(raw), hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_of_the_standard_ends_an_event(end: bytes) -> None:
    """LF, CR and CRLF are line ends, and a CRLF is one, not two."""
    body = b"event: a" + end + b"data: 1" + end + end + b"data: 2" + end + end
    first = b"event: a" + end + b"data: 1" + end + end
    assert frames(Framing.SSE, [body]) == [(ItemKind.FRAME, first), (ItemKind.FRAME, body[len(first) :])]


@pytest.mark.parametrize("body", [b": hi\n\n", b"event: ping\ndata: {}\n\n", b"\n\n", b": a\r\n: b\r\n\r\n"])
def test_comments_pings_and_blank_lines_are_keepalives(body: bytes) -> None:
    """What says nothing but that the connection lives is a keepalive."""
    assert frames(Framing.SSE, [body]) == [(ItemKind.KEEPALIVE, body)]


def test_bytes_after_the_last_blank_line_are_a_partial_frame() -> None:
    """A stream that is cut in an event keeps the piece, marked as such."""
    assert frames(Framing.SSE, [b"data: 1\n\ndata: 2\n"])[-1] == (ItemKind.PARTIAL, b"data: 2\n")


def test_an_event_ended_by_a_carriage_return_has_the_time_of_its_message() -> None:
    """The recorder must wait for the next byte to know, but does not date the event by it."""
    framer = framer_for(Framing.SSE, 1000)
    assert fed(framer, 1, b"data: 1\r\r") == []
    assert [(piece.at, piece.raw) for piece in fed(framer, 9, b"data: 2")] == [(1, b"data: 1\r\r")]


def test_a_line_without_end_never_fills_the_memory() -> None:
    """Ten megabytes of one line leave little more than the limit in memory, in linear time."""
    framer = framer_for(Framing.SSE, 4096)
    for _ in range(10_000):
        framer.feed(0, b"x" * 1024)
    piece = framer.finish()[0]
    assert (len(piece.raw), piece.cut and piece.cut.length) == (4096, 10_240_000)


def test_endless_blank_lines_never_fill_the_memory() -> None:
    """Blank lines that never become an event are held to the same limit."""
    framer = framer_for(Framing.SSE, 4096)
    for _ in range(2_000):
        framer.feed(0, b"\n" * 1024)
    assert [(piece.kind, len(piece.raw)) for piece in framer.finish()] == [(ItemKind.KEEPALIVE, 4096)]
