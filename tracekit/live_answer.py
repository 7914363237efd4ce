"""What a trace says, put together from its events while it is written.

The whole text of an answer is stored when the stream has ended. Who follows a trace reads the frames as the recorder
did, with the decoders that are installed here; a stream that none of them reads has frames and no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tracekit.decoding import Fact, Frame, Reasoning, StreamHead, Text
from tracekit.plugins import PluginHost
from tracekit.store.records import EventRecord
from tracekit.stream_decoder import StreamDecoder
from tracekit.types import EventType, Framing

__all__ = ["LiveAnswer", "Said"]

# Members of an enumeration are slow to reach through their class.
_FRAME = EventType.STREAM_FRAME.value


class Said(NamedTuple):
    """A piece of what was said."""

    kind: Literal["answer", "reasoning"]
    text: str


class LiveAnswer:
    """Takes the events of one trace in order, from the first."""

    def __init__(self, plugins: PluginHost, framing: str | None) -> None:
        """`framing` as the trace's column has it."""
        self._plugins = plugins
        self._framing = Framing(framing) if framing in set(Framing) else Framing.SSE
        self._request: Mapping[str, Any] = {}
        self._response: Mapping[str, Any] = {}
        self._decoder: StreamDecoder | None = None
        self.cut_frames = 0
        """How many frames were stored cut or masked so that nobody can read them."""

    def add(self, event: EventRecord) -> list[Said]:
        """What an event adds. A frame may bring nothing, and a later one what several together say."""
        if event.event_type == EventType.REQUEST_RECEIVED:
            self._request = event.payload or {}
        elif event.event_type == EventType.RESPONSE_STARTED:
            self._response = event.payload or {}
        elif event.event_type == EventType.TRACE_FINISHED and self._decoder is not None:
            return _said([*self._decoder.settle(), self._decoder.finish()])
        elif event.event_type == _FRAME and event.raw is not None:
            return self._frame(event.raw, event)
        return []

    def rest(self) -> list[Said]:
        """What the frames say that still wait to be recognised: no further events come for now."""
        return _said(self._decoder.settle()) if self._decoder is not None else []

    def _frame(self, raw: bytes, event: EventRecord) -> list[Said]:
        """A frame that was masked may be read all the same; one that was cut cannot, nor one that was withheld."""
        if event.cut is not None and (event.cut.sha256 is not None or not raw):
            self.cut_frames += 1
            return []
        unread = self._undecoded
        said = self._read(Frame(raw, self._framing, event.offset_us))
        if event.cut is not None:
            self.cut_frames += self._undecoded - unread
        return said

    @property
    def _undecoded(self) -> int:
        return 0 if self._decoder is None else self._decoder.undecoded

    def _read(self, frame: Frame) -> list[Said]:
        if self._decoder is None:
            self._decoder = StreamDecoder(self._plugins, self._head())
        return _said(self._decoder.feed(frame))

    def _head(self) -> StreamHead:
        path, status = self._request.get("path"), self._response.get("status")
        return StreamHead(
            path=path if isinstance(path, str) else "",
            status=status if isinstance(status, int) else 200,
            framing=self._framing,
            request_headers=_headers(self._request),
            response_headers=_headers(self._response),
            request_body=self._request.get("body"),
        )


def _said(facts_of_frames: Iterable[Sequence[Fact]]) -> list[Said]:
    """The text among facts; of several parallel answers that of the first."""
    return [
        Said("answer" if isinstance(fact, Text) else "reasoning", fact.text)
        for facts in facts_of_frames
        for fact in facts
        if isinstance(fact, Text | Reasoning) and fact.choice == 0 and fact.text
    ]


def _headers(payload: Mapping[str, Any]) -> dict[str, str]:
    headers = payload.get("headers")
    if not isinstance(headers, dict):
        return {}
    return {name: value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)}
