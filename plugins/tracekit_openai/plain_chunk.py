"""The usual chunk of Chat Completions, one piece of text and nothing else, read in one step.

Nearly every frame of an answer is one. Decoding only what such a chunk may hold is several times as fast as making
dictionaries of everything in it; whatever else stands in a chunk makes it another one, which is read as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

__all__ = ["plain_texts"]


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    function_call: None = None
    tool_calls: None = None
    reasoning_content: None = None
    reasoning: None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: int
    finish_reason: None = None


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice]
    usage: None = None
    error: msgspec.UnsetType = msgspec.UNSET
    x_groq: msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Chunk)


def plain_texts(data: Sequence[bytes]) -> list[tuple[str, int]] | None:
    """Of each chunk its text, and the number of the answer that it belongs to; None if one of them is another chunk."""
    decode = _decoder.decode
    try:
        choices = [decode(chunk).choices[0] for chunk in data]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if any(choice.index < 0 for choice in choices):
        return None
    return [(choice.delta.content, choice.index) for choice in choices]
