"""Compressed responses: the client's bytes are untouched, the stored body is those bytes, and frames are readable
wherever something here can decode them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from asgi import END, Outcome, Wire, body, http_scope, request, run, start, streams
from chat_events import DONE, event, events
from hypothesis import given
from hypothesis import strategies as st
from recorders import body as stored_body
from recorders import frames, recording, written
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tracekit import Recorder, TraceMiddleware
from tracekit.content_coding import Undecodable, content_decoder

Coder = Callable[[list[bytes]], list[bytes]]


def zlib_coder(window_bits: int) -> Coder:
    def encode(parts: list[bytes]) -> list[bytes]:
        made = zlib.compressobj(wbits=window_bits)
        return [made.compress(part) + made.flush(zlib.Z_SYNC_FLUSH) for part in parts] + [made.flush()]

    return encode


def members(parts: list[bytes]) -> list[bytes]:
    """A gzip body may be several members one after the other (RFC 1952, section 2.2)."""
    return [member for part in parts for member in zlib_coder(31)([part])]


def encode_zstd(parts: list[bytes]) -> list[bytes]:
    made = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [made.compress(part) + made.flush(flush) for part in parts] + [made.flush()]


def encode_brotli(parts: list[bytes]) -> list[bytes]:
    made = brotli.Compressor()
    return [made.process(part) + made.flush() for part in parts] + [made.finish()]


CODERS: dict[str, tuple[str, Coder]] = {
    "gzip": ("gzip", zlib_coder(31)),
    "gzip of several members": ("x-gzip", members),
    "deflate": ("deflate", zlib_coder(15)),
    "deflate without its header": ("deflate", zlib_coder(-15)),
    "zstd": ("zstd", encode_zstd),
    "br": ("br", encode_brotli),
}
PARTS = [event(number) for number in range(20)] + [DONE]
PLAIN = b"".join(PARTS)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


def sent_as(recorder: Recorder, coding: str, parts: list[bytes]) -> tuple[Outcome, str]:
    """Send a compressed stream through the middleware; the outcome and the id of the trace, once it is written."""
    messages = [start(content_encoding=coding), *map(body, parts), END]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    written(recorder)
    assert outcome.raised is None
    assert outcome.body == b"".join(parts)
    return outcome, str(outcome.header("x-trace-id"))


def unread_body(recorder: Recorder, trace_id: str) -> str | None:
    """Why the body could not be read, as the end of the trace tells it."""
    return (recorder.store.latest_events(trace_id, 1)[0].payload or {}).get("unread_body")


@pytest.mark.parametrize("name", CODERS)
def test_a_compressed_stream_is_kept_as_it_was_sent_and_read_as_it_was_meant(recorder: Recorder, name: str):
    """Its bytes and its messages are those of the wire; its frames, times and text are those of the chat."""
    coding, encode = CODERS[name]
    parts = encode(PARTS)
    _, trace_id = sent_as(recorder, coding, parts)
    assert stored_body(recorder, trace_id) == b"".join(parts)
    assert [sent for _, sent in recorder.store.body_messages(trace_id)] == [part for part in parts if part]
    assert b"".join(frames(recorder, trace_id)) == PLAIN
    trace = recorder.store.get(trace_id)
    assert (trace.content_encoding, trace.framing, trace.frames) == (coding, "sse", 22)
    assert (trace.end_reason, trace.wire_format) == ("completed", "openai-chat")
    assert recorder.store.texts(trace_id).answer == "".join(f"{number} " for number in range(20))
    assert recorder.store.is_exact(trace_id)
    assert unread_body(recorder, trace_id) is None


@pytest.mark.parametrize("name", CODERS)
@given(data=st.data())
def test_however_it_is_split_the_frames_are_the_same(recorder: Recorder, name: str, data: st.DataObject):
    """Messages may be cut anywhere in the compressed bytes."""
    coding, encode = CODERS[name]
    whole = b"".join(encode(PARTS[:3]))
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[begin:end] for begin, end in zip([0, *places], [*places, len(whole)], strict=True)]
    decoder = content_decoder(coding)
    assert decoder is not None
    assert b"".join(plain for part in parts for plain in decoder.feed(part)) == b"".join(PARTS[:3])


@pytest.mark.parametrize("coding", ["compress", "exi", "gzip, br", "x-mine", "\x00"])
def test_an_unknown_coding_is_kept_as_it_came(recorder: Recorder, coding: str):
    """Nothing here can read it: one frame for each message, byte for byte, and no guess at what it says."""
    parts = [b"\x01\x02data: no\n\n", b"\n\n", b"\xff" * 10]
    _, trace_id = sent_as(recorder, coding, parts)
    assert frames(recorder, trace_id) == parts
    assert stored_body(recorder, trace_id) == b"".join(parts)
    trace = recorder.store.get(trace_id)
    assert (trace.framing, trace.end_reason) == ("whole", "completed")
    assert recorder.store.is_exact(trace_id)
    assert unread_body(recorder, trace_id)


@pytest.mark.parametrize("coding", ["identity", " Identity ", ""])
def test_the_identity_coding_is_none(recorder: Recorder, coding: str):
    """It is read as if the header were not there."""
    _, trace_id = sent_as(recorder, coding, PARTS)
    assert recorder.store.get(trace_id).frames == 22


@pytest.mark.parametrize("name", [name for name in CODERS if name != "deflate without its header"])
def test_a_body_damaged_in_the_middle_is_kept_as_it_was_sent(recorder: Recorder, name: str):
    """What could be read before the damage is read; the client and the stored body have every byte all the same."""
    coding, encode = CODERS[name]
    parts = encode(PARTS)
    parts[len(parts) // 2] = b"\x00\xff" * 40
    _, trace_id = sent_as(recorder, coding, parts)
    assert stored_body(recorder, trace_id) == b"".join(parts)
    stored = frames(recorder, trace_id)
    assert stored[:9] == PARTS[:9]
    # To zstd these bytes are the beginning of a block that goes on: a body that was cut off, which is no damage.
    assert unread_body(recorder, trace_id) or coding == "zstd"
    assert recorder.store.get(trace_id).end_reason == "completed"


@given(coding=st.sampled_from(["gzip", "deflate", "zstd", "br"]), parts=st.lists(st.binary(max_size=60), max_size=6))
def test_bytes_that_are_not_what_the_header_says_do_no_harm(recorder: Recorder, coding: str, parts: list[bytes]):
    """A server may claim any coding for any bytes."""
    errors = recorder.health().drops.internal_errors
    _, trace_id = sent_as(recorder, coding, parts)
    assert stored_body(recorder, trace_id) == b"".join(parts)
    assert recorder.health().drops.internal_errors == errors


def test_a_body_that_stops_in_the_middle_is_read_as_far_as_it_goes(recorder: Recorder):
    """A stream that was cut off has no end of its coding; that is no damage."""
    parts = zlib_coder(31)(PARTS)[:5]
    _, trace_id = sent_as(recorder, "gzip", parts)
    assert b"".join(frames(recorder, trace_id)) == b"".join(PARTS[:5])


def test_a_small_body_that_stands_for_gigabytes_is_read_in_small_steps():
    """What a few bytes become is never held at once."""
    for encode, coding, most in ((zlib_coder(31), "gzip", 1 << 16), (encode_brotli, "br", 1 << 20)):
        (bomb,) = [b"".join(encode([bytes(1 << 23)]))]
        decoder = content_decoder(coding)
        assert decoder is not None
        sizes = [len(step) for step in decoder.feed(bomb)]
        assert sum(sizes) == 1 << 23
        assert max(sizes) <= most
    decoder = content_decoder("zstd")
    assert decoder is not None
    sizes = [len(step) for step in decoder.feed(b"".join(encode_zstd([bytes(1 << 23)])))]
    assert sum(sizes) == 1 << 23
    assert max(sizes) <= 16 << 20


def test_zstd_may_not_ask_for_more_memory_than_the_web_allows():
    """A window of more than 8 MB is refused by every reader of the web (RFC 9659), so it need not be read here."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    wide = made.compress(PLAIN) + made.flush()
    decoder = content_decoder("zstd")
    assert decoder is not None
    with pytest.raises(Undecodable):
        list(decoder.feed(wide))


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_starlettes_gzip_on_either_side(recorder: Recorder, inside: bool):
    """Outside of it the middleware sees what the app said; inside, what goes over the wire. Both are right, and the
    client gets the same bytes as without us."""

    async def endpoint(request: Request) -> StreamingResponse:
        await request.body()
        return StreamingResponse(iter(PARTS), media_type="application/x-ndjson")

    trace, gzip = Middleware(TraceMiddleware, recorder=recorder), Middleware(GZipMiddleware, minimum_size=1)
    routes = [Route("/chat", endpoint, methods=["POST"])]
    layers = [trace, gzip] if inside else [gzip, trace]
    scope: Any = http_scope(headers=[(b"accept-encoding", b"gzip")])
    bare = run(Starlette(routes=routes, middleware=[gzip]), Wire([request()]), dict(scope))
    outcome = run(Starlette(routes=routes, middleware=layers), Wire([request()]), dict(scope))
    assert outcome.body == bare.body
    assert zlib.decompress(outcome.body, 31) == PLAIN
    written(recorder)
    trace_id = str(outcome.header("x-trace-id"))
    assert stored_body(recorder, trace_id) == (bare.body if inside else PLAIN)
    assert b"".join(frames(recorder, trace_id)) == PLAIN


def test_an_installed_package_that_cannot_stream_is_not_used(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    """Older releases of Brotli's package have no bounded output: such a body is kept as it came."""

    class OldDecompressor:
        def process(self, data: bytes) -> bytes:
            return data

    monkeypatch.setattr(brotli, "Decompressor", OldDecompressor)
    parts = encode_brotli([events(1)])
    _, trace_id = sent_as(recorder, "br", parts)
    assert stored_body(recorder, trace_id) == b"".join(parts)
    assert recorder.store.get(trace_id).framing == "whole"
