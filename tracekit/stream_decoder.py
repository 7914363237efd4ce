"""Which decoder reads a stream, and the reading: frames in, facts out, faults counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import cast

from tracekit.decoding import Claim, Decoder, Fact, Frame, StreamHead, Unreadable
from tracekit.fence import pass_interrupt
from tracekit.plugins import PluginHost
from tracekit.transcript import Transcript

__all__ = ["UNKNOWN", "StreamDecoder"]

UNKNOWN = "unknown"
"""Wire format of a stream that no plugin claims."""

# A claim this sure is taken at once.
_SURE = 0.8
# How many frames may wait for a surer claim, and after how many of them the question is put again.
_MOST_FRAMES = 16
_ASK_AT = frozenset({1, 2, 4, 8, 16})


class StreamDecoder:
    """Reads one stream. Frames wait, few and in order, until it is known who can read them."""

    def __init__(self, plugins: PluginHost, head: StreamHead) -> None:
        self.transcript = Transcript()
        self.wire_format = UNKNOWN
        self.undecoded = 0
        """Frames that the decoder could not read."""
        self.settled = False
        self._plugins = plugins
        self._fence = plugins.fence
        self._head = head
        self._plugin = ""
        self._decoder: Decoder | None = None
        self._feed_plain: Callable[[Sequence[bytes]], Sequence[Sequence[Fact]]] | None = None
        self._waiting: list[Frame] = []

    def feed(self, frame: Frame) -> list[Sequence[Fact]]:
        """Take a frame; the facts of those frames, from the oldest that waited, which are read now."""
        if self.settled:
            return [self.read(frame)]
        self._waiting.append(frame)
        if len(self._waiting) not in _ASK_AT:
            return []
        plugin, claim = self._best_claim()
        if claim is not None and (claim.certainty >= _SURE or len(self._waiting) >= _MOST_FRAMES):
            return self._settle(plugin, claim)
        return self._settle("", None) if len(self._waiting) >= _MOST_FRAMES else []

    def settle(self) -> list[Sequence[Fact]]:
        """Wait no longer: take the best claim there is. The facts of the frames that waited."""
        return [] if self.settled else self._settle(*self._best_claim())

    def finish(self) -> list[Fact]:
        """The stream has ended: facts that only now are known. The frames that waited must be settled before."""
        return self._fence.call(self._plugin, "Decoder.finish", self._finish) or []

    def _finish(self) -> list[Fact]:
        facts = list(self._decoder.finish()) if self._decoder is not None else []
        for fact in facts:
            self.transcript.add(fact)
        return facts

    def _best_claim(self) -> tuple[str, Claim | None]:
        claims = self._plugins.claims(self._head, tuple(self._waiting))
        return claims[0] if claims else ("", None)

    def _settle(self, plugin: str, claim: Claim | None) -> list[Sequence[Fact]]:
        self.settled = True
        if claim is not None:
            self._plugin = plugin
            self._fence.call(plugin, "decoder", partial(self._take, claim))
        waiting, self._waiting = self._waiting, []
        return [self.read(frame) for frame in waiting]

    def _take(self, claim: Claim) -> None:
        decoder = claim.decoder()
        self.wire_format, self._decoder = str(decoder.wire_format), decoder
        self._feed_plain = getattr(decoder, "feed_plain", None)

    def read(self, frame: Frame) -> Sequence[Fact]:
        """The facts of a frame, once it is known who can read it."""
        return next(self.read_all((frame,)))

    def read_all(self, frames: Iterable[Frame]) -> Iterator[Sequence[Fact]]:
        """The facts of each frame in turn, once it is known who can read them."""
        decoder = self._decoder
        if decoder is None:
            yield from (() for _ in frames)
            return
        feed, add_all = decoder.feed, self.transcript.add_all
        for frame in frames:
            try:
                facts = feed(frame)
                if type(facts) is not tuple:
                    facts = tuple(facts)
                add_all(facts)
            except BaseException as error:  # noqa: BLE001 - a plugin's fault costs one frame, never the stream
                pass_interrupt(error)
                self._unread(error)
                facts = ()
            yield facts

    def read_plain(self, data: Sequence[bytes]) -> Sequence[Sequence[Fact]]:
        """The facts of events that have one data line each: of those at the beginning that can be read all at once,
        perhaps none."""
        if self._feed_plain is None:
            return ()
        read = self._fence.call(self._plugin, "Decoder.feed_plain", partial(self._feed_plain, data), ())
        try:
            read = read[: len(data)]
            self.transcript.add_all(chain.from_iterable(read))
        except TypeError as error:
            self._fence.note(self._plugin, "Decoder.feed_plain", error)
            self.undecoded += len(data)
            return [()] * len(data)
        return cast(Sequence[Sequence[Fact]], read)

    def _unread(self, error: BaseException) -> None:
        self.undecoded += 1
        if not isinstance(error, Unreadable):
            self._fence.note(self._plugin, "Decoder.feed", error)
