"""Server-sent events: bytes in, frames out, no I/O.

A frame is the bytes of one event with the blank line that ends it, so that the frames of a stream joined together
are the stream. Line ends, the byte order mark and the fields follow the HTML standard, section 9.2.6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

__all__ = [
    "BOM",
    "Fields",
    "all_plain_data",
    "are_plain",
    "is_keepalive",
    "is_plain",
    "next_boundary",
    "parse_fields",
    "plain_data",
]

BOM = b"\xef\xbb\xbf"

# A line's end followed at once by an empty line: the end of an event. The group is atomic, or a CRLF would be taken
# for two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)(?:\r\n|\r|\n)")
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Parts of an event with one data line, taken of many without a step of the interpreter for each.
_BEGINNING, _END, _SPACED_DATA = itemgetter(slice(5)), itemgetter(slice(-2, None)), itemgetter(slice(6, -2))
_SIXTH, _SPACE = itemgetter(5), ord(" ")
_KEEPALIVE_EVENTS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"})


class Fields(NamedTuple):
    """The fields of one event as a browser would dispatch it; `data` is None where no data line stands."""

    event: str | None
    data: bytes | None
    id: str | None
    retry: int | None


def is_plain(raw: bytes) -> bool:
    """Whether these bytes are one whole event of one data line, ended by line feeds: the usual case."""
    return (
        raw.find(b"\n") == len(raw) - 2 and raw.endswith(b"\n\n") and raw.startswith(b"data:") and raw.find(b"\r") < 0
    )


def are_plain(raws: Sequence[bytes]) -> bool:
    """Whether each of these `is_plain`, found out for all at once: each ends with two line feeds, so if they hold two
    for each together, none holds another."""
    whole = b"".join(raws)
    return (
        whole.count(b"\n") == 2 * len(raws)
        and whole.find(b"\r") < 0
        and set(map(_BEGINNING, raws)) == {b"data:"}
        and set(map(_END, raws)) == {b"\n\n"}
    )


def plain_data(raw: bytes) -> bytes:
    """The data of an event that `is_plain`."""
    return raw[6:-2] if raw.startswith(b"data: ") else raw[5:-2]


def all_plain_data(raws: Sequence[bytes]) -> list[bytes]:
    """The data of events of which each `is_plain`."""
    return list(map(_SPACED_DATA if set(map(_SIXTH, raws)) == {_SPACE} else plain_data, raws))


def parse_fields(raw: bytes) -> Fields:
    """The fields of one frame. Several data lines are joined by a line feed; unknown fields are passed over."""
    event = identifier = retry = None
    data: list[bytes] = []
    for line in _LINE_END.split(raw.removeprefix(BOM)):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            identifier = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            retry = int(value)
    return Fields(event or None, b"\n".join(data) if data else None, identifier, retry)


def is_keepalive(raw: bytes) -> bool:
    """Whether a frame says nothing but that the connection lives: comments only, blank lines, or a ping event."""
    if raw.startswith(b"data:"):
        return False
    fields = parse_fields(raw)
    if fields.event is not None:
        return fields.event.lower() in _KEEPALIVE_EVENTS
    return fields.data is None and all(
        not line or line.startswith(b":") for line in _LINE_END.split(raw.removeprefix(BOM))
    )


def next_boundary(buffer: bytes | bytearray, start: int, *, end_of_stream: bool = False) -> int:
    """Where the event that has begun before `start` ends, or -1 while that is not known.

    A carriage return at the very end of the buffer may be half of a CRLF, so it ends an event only at the end of the
    stream.
    """
    found = _BLANK_LINE.search(buffer, start)
    if found is None:
        return -1
    end = found.end()
    if end == len(buffer) and buffer[end - 1] == 0x0D and not end_of_stream:
        return -1
    return end
