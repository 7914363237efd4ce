"""JSON in and out, for text that nobody has vetted.

msgspec does the work; the standard library takes what msgspec refuses and real streams hold all the same: lone
surrogates, NaN, bytes that are not UTF-8. The answer of `encode` never holds a NUL or a lone surrogate, so both
databases take it.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any

import msgspec

__all__ = ["decode", "encode", "encode_bytes", "indented"]

# A member on level n takes 2n spaces: beyond this an indented text is mostly space.
_DEEPEST_INDENTED = 64
_BRACKETS = re.compile(r"[\[\]{}]")


def _as_text(value: object) -> str:
    """What JSON has no form for. Its own `__str__` may fail, which costs itself alone."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - it may raise anything
        return f"<{type(value).__name__} that cannot be read: {type(error).__name__}>"


_encoder = msgspec.json.Encoder(enc_hook=_as_text)
_decoder = msgspec.json.Decoder()


def encode_bytes(value: Any) -> bytes:
    """`value` as UTF-8 JSON. What JSON has no form for is written as its `str`, or where that fails as its type."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError):
        return _encode_anything(value)


def encode(value: Any) -> str:
    """`value` as JSON text."""
    return encode_bytes(value).decode()


def indented(value: Any) -> str:
    """`value` as JSON for people: a member a line. What is nested so deeply that most of it would be space stays on
    one line."""
    compact = encode(value)
    if _depth(compact) > _DEEPEST_INDENTED:
        return compact
    try:
        return msgspec.json.format(compact, indent=2)
    except msgspec.DecodeError:
        return json.dumps(json.loads(compact), indent=2)


def decode(text: str | bytes | bytearray | memoryview) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is no JSON, or nested deeper than the interpreter can follow.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_anything(text)


def _depth(text: str) -> int:
    """How deep JSON is nested at most; brackets in its strings may make it more."""
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in _BRACKETS.findall(text)), default=0)


def _encode_anything(value: Any) -> bytes:
    try:
        text = json.dumps(value, default=_as_text, separators=(",", ":"))
        if "NaN" in text or "Infinity" in text:
            # Numbers that JSON does not have are null, as msgspec writes them.
            text = json.dumps(json.loads(text, parse_constant=lambda _: None), separators=(",", ":"))
        return text.encode()
    except (RecursionError, ValueError, TypeError):
        return json.dumps(f"<{type(value).__name__} that JSON cannot hold>").encode()


def _decode_anything(text: str | bytes | bytearray | memoryview) -> Any:
    try:
        return json.loads(text if isinstance(text, str) else bytes(text).decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
