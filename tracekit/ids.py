"""Identifiers: UUIDv7 as 32 hexadecimal digits, so that they sort by time and can serve as W3C trace ids."""

from __future__ import annotations

import os
import re
import time

from tracekit.errors import InvalidInput

__all__ = ["new_id", "parse_id"]

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_HEX = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """A new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds since 1970, then random bits."""
    milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10))
    high, low = random >> 68, random & (1 << 62) - 1
    return f"{milliseconds << 80 | _VERSION_7 | high << 64 | _VARIANT | low:032x}"


def parse_id(text: str) -> str:
    """The id that `text` names; dashes and capitals are taken too.

    Raises:
        InvalidInput: it is no such id.
    """
    plain = text.strip().replace("-", "").lower()
    if not _HEX.fullmatch(plain):
        raise InvalidInput("a trace id has 32 hexadecimal digits", field="trace_id")
    return plain
