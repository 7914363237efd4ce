"""Compressed response bodies made readable (RFC 9110, section 8.4), piece by piece and within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Protocol

import zstandard

brotli: ModuleType | None
"""Read only where the host has installed it."""
try:
    brotli = import_module("brotli")
except ImportError:
    brotli = None

__all__ = ["ContentDecoder", "Undecodable", "content_decoder"]

# What one step may give at most. A few bytes can stand for gigabytes, so output is bounded, not input.
_STEP_BYTES = 64 * 1024

_GZIP = zlib.MAX_WBITS | 16

# Of the zlib format (RFC 1950, section 2.2).
_HEADER_BYTES = 2


class Undecodable(ValueError):
    """The body is not what its Content-Encoding says, or is in an encoding that nothing here can read."""


class ContentDecoder(Protocol):
    """Undoes one content coding."""

    def feed(self, body: bytes) -> Iterator[bytes]:
        """The readable bytes that `body` adds, in steps of bounded size.

        Raises:
            Undecodable: the bytes are damaged.
        """


def content_decoder(encoding: str) -> ContentDecoder | None:
    """The decoder of a Content-Encoding value; None for an identity.

    Raises:
        Undecodable: nothing installed can read it, or several codings are laid over one another.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Zlib(_GZIP, several=True)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS, otherwise=-zlib.MAX_WBITS)
        case "zstd":
            return _Zstd()
        case "br" if brotli is not None and _bounds_its_output(brotli):
            return _Brotli(brotli)
        case other:
            raise Undecodable(f"nothing here reads the content coding {other[:40]!r}")


def _bounds_its_output(library: ModuleType) -> bool:
    """Whether this package can be stopped at a size: Brotli can since its release 1.2, others of the name cannot."""
    return hasattr(library.Decompressor, "can_accept_more_data")


class _Zlib:
    """gzip and deflate. `several`: another member may follow the end of one (RFC 1952, section 2.2). `otherwise`:
    the window bits to try where the first bytes are no header; many servers send deflate without its own (RFC 9110,
    section 8.4.1.2)."""

    def __init__(self, window_bits: int, *, several: bool = False, otherwise: int | None = None) -> None:
        self._window_bits = window_bits
        self._several = several
        self._otherwise = otherwise
        self._begun = b""
        self._decompress = zlib.decompressobj(window_bits)

    def feed(self, body: bytes) -> Iterator[bytes]:
        if self._otherwise is not None:
            body = self._choose(self._otherwise, body)
        try:
            yield from self._steps(body)
        except zlib.error as error:
            raise Undecodable(str(error)) from None

    def _choose(self, otherwise: int, body: bytes) -> bytes:
        """Hold the first two bytes back until both are there, and see whether they are a header."""
        body = self._begun + body
        if len(body) < _HEADER_BYTES:
            self._begun = body
            return b""
        self._begun, self._otherwise = b"", None
        try:
            zlib.decompressobj(self._window_bits).decompress(body[:_HEADER_BYTES])
        except zlib.error:
            self._decompress = zlib.decompressobj(otherwise)
        return body

    def _steps(self, body: bytes) -> Iterator[bytes]:
        plain = b""
        while body or len(plain) == _STEP_BYTES:
            if self._decompress.eof:
                body = body.lstrip(b"\0") if self._several else body
                if not body:
                    return
                self._next_member()
            plain = self._decompress.decompress(body, _STEP_BYTES)
            body = self._decompress.unconsumed_tail or self._decompress.unused_data
            yield plain

    def _next_member(self) -> None:
        if not self._several:
            raise Undecodable("bytes follow the end of the compressed body")
        self._decompress = zlib.decompressobj(self._window_bits)


class _Zstd:
    # The format cannot be told to stop at a size, so little is fed at a time: a byte stands for 32 KB at most
    # (a run-length block of 128 KB takes four bytes, RFC 8878, section 3.1.1.2).
    _INPUT_BYTES = 512

    # What a reader of the web has to take (RFC 9659, section 3). A frame may ask for a window of terabytes.
    _WINDOW_BYTES = 8 * 1024 * 1024

    def __init__(self) -> None:
        library = zstandard.ZstdDecompressor(max_window_size=self._WINDOW_BYTES)
        self._decompress = library.decompressobj(read_across_frames=True)

    def feed(self, body: bytes) -> Iterator[bytes]:
        try:
            for start in range(0, len(body), self._INPUT_BYTES):
                yield self._decompress.decompress(body[start : start + self._INPUT_BYTES])
        except zstandard.ZstdError as error:
            raise Undecodable(str(error)) from None


class _Brotli:
    def __init__(self, library: ModuleType) -> None:
        self._decompress = library.Decompressor()
        self._error: type[Exception] = library.error

    def feed(self, body: bytes) -> Iterator[bytes]:
        try:
            yield self._decompress.process(body, output_buffer_limit=_STEP_BYTES)
            while not self._decompress.can_accept_more_data():
                yield self._decompress.process(b"", output_buffer_limit=_STEP_BYTES)
        except self._error as error:
            raise Undecodable(str(error)) from None
