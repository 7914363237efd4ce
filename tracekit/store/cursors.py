"""Cursors: where the next page of a list begins, as an opaque text that a client hands back.

A cursor belongs to the filter it was made with, and names a position by keys, so that a page costs the same wherever
it lies, and rows that are added meanwhile neither shift nor repeat others.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import astuple
from hashlib import blake2b
from typing import NamedTuple

from tracekit import json_text
from tracekit.errors import InvalidInput
from tracekit.store.records import TraceFilter
from tracekit.store.rows import GREATEST_INTEGER

__all__ = ["FIRST", "Position", "decode_cursor", "encode_cursor"]

# Characters. The longest cursor made here has fewer than 120.
_LONGEST = 256


class Position(NamedTuple):
    """The last trace of a page. Lists that are not in order of time leave `started_at` at its greatest."""

    started_at: int
    key: int


FIRST = Position(GREATEST_INTEGER, GREATEST_INTEGER)
"""Before the newest trace."""


def encode_cursor(position: Position, filter: TraceFilter) -> str:
    """The cursor that continues a list after `position`."""
    document = json_text.encode_bytes([_digest(filter), *position])
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


def decode_cursor(cursor: str, filter: TraceFilter) -> Position:
    """The position that a cursor names.

    Raises:
        InvalidInput: it was not made here, or for another filter.
    """
    parts = _parts(cursor)
    if not isinstance(parts, list) or len(parts) != 3 or not all(_is_key(part) for part in parts[1:]):
        raise InvalidInput("this is no cursor of a list of traces", field="cursor")
    if parts[0] != _digest(filter):
        raise InvalidInput("this cursor belongs to a list with other filters", field="cursor")
    return Position(*parts[1:])


def _parts(cursor: str) -> object:
    if len(cursor) > _LONGEST or not cursor.isascii():
        return None
    try:
        return json_text.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None


def _is_key(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= GREATEST_INTEGER


def _digest(filter: TraceFilter) -> str:
    return blake2b(json_text.encode_bytes(astuple(filter)), digest_size=9).hexdigest()
