"""What the frames of a stream have in common is searched once.

Nearly all frames of an answer are the same bytes around a few new ones: ids, the model's name, empty fields. What was
found to be harmless at the beginning and the end of a frame is left out of the search as long as it comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Envelope"]

# Less is not worth the comparison.
_LEAST = 64

# As long as more than this is left of each frame, a better envelope is looked for; where none is found, seldom.
_CONTENT = 96
_ATTEMPTS, _SELDOM = 16, 64

_QUOTE = b'"'


class Envelope:
    """Leaves out of frames what is the same in all of them. Used for one stream."""

    def __init__(self, is_suspicious: Callable[[str], bool]) -> None:
        self._is_suspicious = is_suspicious
        self._head = self._tail = b""
        self._previous = b""
        self._attempts = 0

    def rest(self, raws: Sequence[bytes]) -> str:
        """What is to be searched of these frames, a byte for a character.

        Both ends are cut at a quote, and a quote parts the frames: nothing that a search looks for reaches over one
        but from the name of a member to its value, and names that matter are never left out.
        """
        head, tail = self._head, self._tail
        rest = _QUOTE.join([raw.removeprefix(head).removesuffix(tail) for raw in raws])
        if len(rest) > _CONTENT * len(raws):
            self._learn(raws[-2] if len(raws) > 1 else self._previous, raws[-1])
        return rest.decode("latin-1")

    def _learn(self, other: bytes, raw: bytes) -> None:
        """Take what two frames have in common."""
        self._previous = raw
        self._attempts += 1
        if self._attempts > _ATTEMPTS and self._attempts % _SELDOM:
            return
        head = raw[: raw.rfind(_QUOTE, 0, _common(raw, other)) + 1]
        most = min(len(raw), len(other)) - len(head)
        tail = raw[len(raw) - _common(raw[::-1][:most], other[::-1][:most]) :]
        tail = tail[tail.find(_QUOTE) :] if _QUOTE in tail else b""
        if len(head) + len(tail) >= _LEAST and not self._is_suspicious((head + tail).decode("latin-1")):
            self._head, self._tail = head, tail


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
