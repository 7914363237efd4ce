"""Whether a request asks to be recorded: in its header, or in its JSON body."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

__all__ = ["requested_by"]

_HEADER = b"x-trace-enabled"
_YES = frozenset({b"1", b"true", b"yes", b"on"})
_NO = frozenset({b"0", b"false", b"no", b"off"})


class _Switch(msgspec.Struct):
    """The one field of a request body that is looked at before the answer; all others are skipped unread."""

    camel: bool | None = msgspec.field(name="traceEnabled", default=None)
    snake: bool | None = msgspec.field(name="trace_enabled", default=None)


_decoder = msgspec.json.Decoder(_Switch)


def requested_by(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool | None:
    """What a request says: True, False, or None where it does not say. The header goes before the body."""
    for name, value in headers:
        if name == _HEADER:
            word = value.strip().lower()
            return True if word in _YES else False if word in _NO else None
    return _in_body(body)


def _in_body(body: bytes) -> bool | None:
    # A search is a hundred times cheaper than parsing, and most bodies do not hold the word.
    if b"traceEnabled" not in body and b"trace_enabled" not in body:
        return None
    try:
        switch = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return switch.camel if switch.camel is not None else switch.snake
