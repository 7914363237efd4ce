"""The text of one channel of a stream: what the held frames say there, behind the end of what was stored before.

A channel is one answer, one part of it, the arguments of one call, or, where no decoder reads a stream, its bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from tracekit_redact.found import Found, merged
from tracekit_redact.frames import Edit
from tracekit_redact.masks import Report, mask_of
from tracekit_redact.search import Search

__all__ = ["Channel", "Piece", "Window"]

# Characters kept of what was stored: enough for a name and what stands between it and its value.
_TAIL = 128

# Characters kept of a secret that goes on, at most: its beginning tells what it is, its end that it goes on.
_BEGINNING, _END = 1024, 1024


Piece = tuple[int, str, int | None]
"""What one frame says in a channel: the frame's place, the text, and where that begins in the frame if it is its
bytes."""


class Channel:
    """What a channel keeps between two calls."""

    __slots__ = ("is_masked", "tail")

    def __init__(self) -> None:
        self.tail = ""
        """The end of the text that was stored, as it was before masking."""
        self.is_masked = False
        """It ends inside a secret of which the mask is stored."""

    def store(self, text: str) -> None:
        """All of a text, which begins with the tail, is stored, and nothing in it goes on."""
        self.tail = text[-_TAIL:]
        self.is_masked = False


class Window:
    """The tail of a channel with the pieces of the frames that are held."""

    def __init__(self, search: Search, channel: Channel, pieces: Sequence[Piece], text: str) -> None:
        """`text`: the tail and the pieces together."""
        self._channel = channel
        self._pieces = pieces
        self._text = text
        self._tail = len(channel.tail)
        self._ends = [*accumulate((len(piece) for _, piece, _ in pieces), initial=self._tail)]
        self._found = search.find(text)
        self._unfinished_from = search.unfinished_from(text)

    @property
    def is_open(self) -> bool:
        """Whether something may go on in what follows."""
        return self._unfinished_from < len(self._text) or any(one.open for one in self._found)

    def first_held(self) -> int | None:
        """The first frame in which something begins that may become a secret; None if nothing does."""
        begun = [one.start for one in self._found if one.open and not self._goes_on(one)]
        start = min([self._unfinished_from, *begun])
        if start >= len(self._text):
            return None
        place = bisect_right(self._ends, max(start, self._tail)) - 1
        return self._pieces[min(place, len(self._pieces) - 1)][0]

    def _goes_on(self, one: Found) -> bool:
        """Whether this is the rest of a secret of which the mask is stored."""
        return one.start < self._tail and self._channel.is_masked and one.complete

    def edits(self, ready: int, edits: Sequence[list[Edit]], report: Report, *, also_open: bool) -> None:
        """Add the edits of the first `ready` frames to their lists, and forget the frames.

        `also_open`: what may become a secret is masked as one, since it cannot be waited for.
        """
        secrets = merged(one for one in self._found if one.complete or also_open)
        told = [one for one in secrets if one.stop >= self._tail and self._edit(one, ready, edits, report)]
        self._close(ready, secrets, told)

    def _edit(self, one: Found, ready: int, edits: Sequence[list[Edit]], report: Report) -> bool:
        """Whether the mask of this secret is stored now, or was before."""
        is_told = one.start < self._tail and self._channel.is_masked
        first = max(0, bisect_right(self._ends, max(one.start, self._tail)) - 1)
        for place in range(first, len(self._pieces)):
            (item, text, at), begin, end = self._pieces[place], self._ends[place], self._ends[place + 1]
            if begin >= one.stop or item >= ready:
                break
            start, stop = max(one.start, begin) - begin, min(one.stop, end) - begin
            if start >= stop:
                continue
            whole = begin <= one.start and one.stop <= end
            mask = "" if is_told else mask_of(one.kind, one.quote)
            edits[item].append(Edit(text, start, stop, mask, one.kind, whole, at))
            if not is_told:
                report(one.kind)
            is_told = True
        return is_told

    def _close(self, ready: int, secrets: Sequence[Found], told: Sequence[Found]) -> None:
        """Keep the end of what is stored now. Of a secret that goes on behind it the beginning is kept as well."""
        held = next((place for place, piece in enumerate(self._pieces) if piece[0] >= ready), len(self._pieces))
        boundary = self._ends[held]
        if boundary == self._tail:
            return
        begun = [one for one in secrets if one.start < boundary < one.stop + one.open]
        start = max(0, min([boundary, *(one.start for one in begun)]) - _TAIL)
        tail = self._text[start:boundary]
        if len(tail) > _BEGINNING + _END:
            tail = tail[:_BEGINNING] + tail[-_END:]
        self._channel.tail = tail
        self._channel.is_masked = any(one in told for one in begun)
