"""What a redactor is: the one gate that everything recorded passes before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tracekit.decoding import Fact

__all__ = ["Redactor", "StreamItem"]


class StreamItem(msgspec.Struct):
    """A frame on its way to the store. A redactor may replace `raw`; it then sets `redacted`."""

    raw: bytes
    facts: Sequence[Fact] = ()
    """What the decoder read from this frame; empty where there is no decoder."""
    redacted: bool = False


class Redactor(Protocol):
    """Masks secrets of one trace. Made for each trace; used on one thread."""

    def value(self, value: Any) -> Any:
        """A JSON value (a payload, headers, tool arguments) or a text, masked. The same object if nothing was."""

    def stream(self, items: Sequence[StreamItem], *, final: bool) -> int:
        """Mask frames in place; how many of them, from the first, may be stored now.

        The others are held back and come again with those that follow, because a secret may have begun in them; those
        that were ready never do. `items` are all that are held, oldest first. With `final` nothing follows and all
        are stored.
        """
