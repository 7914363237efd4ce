"""A response body on its way to frames: decompressed where it is compressed, and cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracekit.content_coding import ContentDecoder, Undecodable, content_decoder
from tracekit.framing import Framer, Piece, framer_for
from tracekit.types import Cut, Framing, ItemKind
from tracekit.watching import framing_of

__all__ = ["BodyStage"]

# Of a frame that has not ended yet, this much is held in memory, or four times what is stored of one if that is more.
_PENDING_BYTES = 256 * 1024


class BodyStage:
    """Cuts the body of one response. A body that turns out not to be what its headers say is kept as it came, one
    frame for each body message."""

    def __init__(self, headers: Mapping[str, str], most_bytes: int) -> None:
        """`headers`: of the response, lower case. `most_bytes`: most bytes stored of one frame."""
        self._limit = max(_PENDING_BYTES, 4 * most_bytes)
        self.problem: str | None = None
        """Why the body cannot be read, if it cannot."""
        self.framing = framing_of(
            headers.get("content-type", ""), line_protocol=headers.get("x-vercel-ai-data-stream") == "v1"
        )
        self._coding = self._content_decoder(headers.get("content-encoding", ""))
        self.wired = self._coding is not None
        """Frames are not the bytes on the wire."""
        self._framer: Framer = framer_for(self.framing, self._limit)

    def _content_decoder(self, encoding: str) -> ContentDecoder | None:
        try:
            return content_decoder(encoding)
        except Undecodable as error:
            self.problem = str(error)
            self.framing = Framing.WHOLE
            return None

    def are_plain(self, bodies: Sequence[bytes]) -> bool:
        """Whether the next body messages are one plain frame each. They need not be fed then."""
        return not self.wired and self._framer.are_plain(bodies)

    def feed(self, at: int, body: bytes) -> list[Piece]:
        """The frames that a body message completes."""
        if self._coding is None:
            return self._framer.feed(at, body)
        pieces: list[Piece] = []
        try:
            for plain in self._coding.feed(body):
                pieces += self._framer.feed(at, plain)
        except Undecodable as error:
            self.problem = str(error)
            pieces += [*self.finish(), *self._as_it_came(at, body)]
        return pieces

    def _as_it_came(self, at: int, body: bytes) -> list[Piece]:
        self._coding, self.framing = None, Framing.WHOLE
        self._framer = framer_for(self.framing, self._limit)
        return self._framer.feed(at, body)

    def missing(self, at: int, size: int) -> list[Piece]:
        """The frames around a body message whose bytes were given up: what was pending, and a frame without bytes."""
        return [*self.gap(at), Piece(at, ItemKind.FRAME, b"", Cut(size, None))]

    def gap(self, at: int) -> list[Piece]:
        """Body messages were given up here: what was pending is not to be joined with what comes after them."""
        pieces = self.finish()
        if self._coding is not None:
            self.problem = "bytes of the compressed body are missing"
            self._as_it_came(at, b"")
        return pieces

    def finish(self) -> list[Piece]:
        """What is left when the body has ended."""
        return self._framer.finish()
