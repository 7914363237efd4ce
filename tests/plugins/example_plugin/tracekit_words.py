"""Reads our own stream format: one `event: word` for each word, and `event: bye` at the end."""

from collections.abc import Iterable, Sequence

from tracekit import hookimpl
from tracekit.decoding import Claim, Ended, Fact, Frame, StreamHead, Text


class WordsDecoder:
    wire_format = "words"

    def feed(self, frame: Frame) -> Iterable[Fact]:
        yield Ended() if frame.event == "bye" else Text(f"{frame.text} ")

    def finish(self) -> Iterable[Fact]:
        return ()


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    return Claim(0.9, WordsDecoder) if any(frame.event == "word" for frame in frames) else None
