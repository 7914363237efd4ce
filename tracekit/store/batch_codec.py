"""Batches as bytes, for a file: compressed MessagePack. Nothing in it can run when it is read."""

from __future__ import annotations

from typing import Any

import msgspec
import zstandard

from tracekit.store.batch import Batch, EventRow, SpanRow, TextRow
from tracekit.store.statements import storable

__all__ = ["decode_batch", "encode_batch"]

_LEVEL = 3

# Bytes. Far more than a batch has; a damaged record that claims more must not take the memory.
_MOST = 1024 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """A batch as bytes.

    Raises:
        ValueError: it holds what cannot be written, such as a number of more than 64 bits.
    """
    try:
        plain = _plain(batch)
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from error
    return zstandard.ZstdCompressor(level=_LEVEL).compress(plain)


def _plain(batch: Batch) -> bytes:
    try:
        return _encoder.encode(batch)
    except UnicodeEncodeError:
        return _encoder.encode(_as_stored(batch))


def decode_batch(data: bytes) -> Batch:
    """The batch that bytes hold.

    Raises:
        ValueError: they hold none.
    """
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= _MOST:
            raise ValueError(f"a batch of {size} bytes")
        return _decoder.decode(zstandard.ZstdDecompressor().decompress(data))
    except (zstandard.ZstdError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"no batch: {error}") from error


def _as_stored(batch: Batch) -> Batch:
    """Text as the database would get it, without what UTF-8 does not have."""
    return Batch(
        [{name: storable(value) for name, value in row.items()} for row in batch.new],
        [{name: storable(value) for name, value in row.items()} for row in batch.changed],
        [EventRow(*_storable(row)) for row in batch.events],
        [TextRow(*_storable(row)) for row in batch.texts],
        [SpanRow(*_storable(row)) for row in batch.spans],
    )


def _storable(row: tuple[Any, ...]) -> list[Any]:
    return [storable(value) for value in row]
