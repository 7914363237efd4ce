"""The usual chunk of Chat Completions, one piece of text and nothing else, read in one step.

Nearly every frame of an answer is one. Decoding only what such a chunk may hold is several times as fast as making
dictionaries of everything in it; whatever else stands in a chunk makes it another one, which is read as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import msgspec

__all__ = ["PlainChoice", "plain_choices"]


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    function_call: None = None
    tool_calls: None = None
    reasoning_content: None = None
    reasoning: None = None


class PlainChoice(msgspec.Struct):
    """The one choice of such a chunk: a piece of text, and the number of the answer that it belongs to."""

    delta: _Delta
    index: Annotated[int, msgspec.Meta(ge=0)]
    finish_reason: None = None


class _Chunk(msgspec.Struct):
    choices: tuple[PlainChoice]
    usage: None = None
    error: msgspec.UnsetType = msgspec.UNSET
    x_groq: msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Chunk)


def plain_choices(data: Sequence[bytes]) -> list[PlainChoice]:
    """What the chunks hold, up to the first of another kind."""
    decode = _decoder.decode
    choices: list[PlainChoice] = []
    with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        for chunk in data:
            choices.append(decode(chunk).choices[0])  # noqa: PERF401 - those before a broken one count
    return choices
