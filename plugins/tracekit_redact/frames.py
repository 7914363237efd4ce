"""Secrets masked inside the bytes of a frame, so that it stays an event, a line, a JSON document.

Where a secret goes over several frames, each of them has a piece of it in a piece of text that the decoder has read.
The text is looked for among the JSON strings of the frame, whatever escapes they are written with, then as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["Edit", "edited", "marker", "text_payload"]

# A string, and what tells that it is the name of a member. One that never ends is read once, like all others.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"(?P<is_name>\s*+:)?|\Z)', re.DOTALL)
# A pair of surrogates is one character, and so are the bytes of one in UTF-8.
_UNIT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
    rb"|[\xc0-\xff][\x80-\xbf]*|[\x00-\xff]",
    re.DOTALL,
)
_DATA = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?data: ?")
_DATA_LINES = re.compile(rb"(?m)^(?:\xef\xbb\xbf)?data:[^\r\n]*(?:\r\n|\r|\n)?")

# Shorter texts stand in a frame by chance.
_TELLING = 3


class Edit(NamedTuple):
    """A piece of a secret in a piece of text: `start` to before `stop` is to become `mask`."""

    text: str
    start: int
    stop: int
    mask: str
    kind: str
    whole: bool
    """The secret has no other piece."""
    at: int | None = None
    """Where the text begins in the frame, one byte a character; None: it is what the decoder read, somewhere."""


def _payload_start(raw: bytes) -> int:
    """Where the data of a server-sent event begins; 0 for a frame that is none."""
    data = _DATA.search(raw)
    return data.end() if data else 0


def text_payload(raw: bytes) -> tuple[int, int] | None:
    """From where to where a frame has text of no known form: its first data line, or all of it.

    None for comments, and for whole JSON documents, over whose ends no secret reaches.
    """
    if raw.startswith((b"data: {", b"{")) and raw.rstrip(b"\r\n").endswith(b"}"):
        return None
    start = _payload_start(raw)
    end = raw.find(b"\n", start) if start else -1
    stop = start + len(raw[start : end if end >= 0 else None].rstrip(b"\r"))
    return None if raw.startswith(b":") or start == stop else (start, stop)


def edited(raw: bytes, edits: Sequence[Edit]) -> bytes | None:
    """A frame with these edits made; None where one of the texts is not to be found in it."""
    spans: set[tuple[int, int, bytes]] = set()
    for edit in edits:
        places = [*_places(raw, edit.text)] if edit.at is None else [_Place(range(edit.at, len(raw) + 1))]
        if not places:
            return None
        for offsets, in_json in places:
            mask = json.dumps(edit.mask)[1:-1] if in_json else edit.mask
            spans.add((offsets[edit.start], offsets[edit.stop], mask.encode()))
    pieces: list[bytes] = []
    at = 0
    for start, stop, encoded in sorted(spans):
        if start >= at:
            pieces += (raw[at:start], encoded)
            at = stop
    return b"".join((*pieces, raw[at:]))


class _Place(NamedTuple):
    """Where a text stands in a frame."""

    offsets: Sequence[int]
    """Of each of its characters, and of its end."""
    in_json: bool = False
    """It is written as a JSON string."""


def _places(raw: bytes, text: str) -> Iterator[_Place]:
    """Where a text stands in a frame."""
    start = _payload_start(raw)
    encoded = text.encode("utf-8", "surrogatepass")
    if raw.startswith(encoded, start) and not raw[start + len(encoded) :].strip():
        yield _Place(_plain_offsets(text, start))
        return
    strings = [*_strings(raw)]
    equal = [at for at, value in strings if value == text]
    if equal:
        yield from (_Place(_offsets(raw, at, 0, len(text)), in_json=True) for at in equal)
        return
    inside = [(at, value.find(text)) for at, value in strings if len(text) >= _TELLING and text in value]
    if inside:
        yield from (_Place(_offsets(raw, at, first, len(text)), in_json=True) for at, first in inside)
        return
    if not raw[start : start + 1].strip().startswith((b"{", b"[")):
        yield from _plain_places(raw, text, start)


def _strings(raw: bytes) -> Iterator[tuple[int, str]]:
    """The JSON strings in a frame that are no names of members: where each begins, and what it says."""
    for match in _STRING.finditer(raw):
        value = None if match["is_name"] else _decoded(match.group())
        if value is not None:
            yield match.start(), value


def _decoded(token: bytes) -> str | None:
    try:
        value = json.loads(token.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return None
    count = sum(1 for _ in _UNIT.finditer(token, 1, len(token) - 1))
    return value if isinstance(value, str) and len(value) == count else None


def _offsets(raw: bytes, string: int, first: int, length: int) -> Sequence[int]:
    units = _UNIT.finditer(raw, string + 1)
    starts = [next(units).start() for _ in range(first + length + 1)]
    return starts[first:]


def _plain_places(raw: bytes, text: str, start: int) -> Iterator[_Place]:
    """A text as it is. Its lines may be the lines of several data fields."""
    lines = [line.encode("utf-8", "surrogatepass") for line in text.split("\n")]
    if len(lines) == 1 and raw.find(lines[0], start) < 0:
        return
    between = rb")(?:\r\n|\r|\n)(?:data: ?)?("
    match = re.compile(rb"(" + between.join(map(re.escape, lines)) + rb")").search(raw, start)
    if match is None:
        return
    offsets: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        offsets += _plain_offsets(line, match.start(number))
    yield _Place(offsets)


def _plain_offsets(text: str, start: int) -> list[int]:
    sizes = (len(char.encode("utf-8", "surrogatepass")) for char in text)
    return [*accumulate(sizes, initial=start)]


def marker(raw: bytes, kind: str) -> bytes:
    """A frame in which nothing is left of its data but that there was some. Event names and ids stay."""
    start = _payload_start(raw)
    is_json = raw[start : start + 1] in (b"{", b"[")
    data = f'{{"redacted":"{kind}"}}' if is_json else f"[redacted:{kind}]"
    if start:
        first = _DATA_LINES.search(raw)
        kept = _DATA_LINES.sub(b"", raw)
        place = first.start() if first else 0
        return kept[:place] + f"data: {data}\n".encode() + kept[place:]
    return data.encode() + raw[len(raw.rstrip(b"\r\n")) :]
