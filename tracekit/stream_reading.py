"""A stream read while it goes by: frames to the decoder, its facts back to the frames, and events made of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from tracekit.decoding import Fact, Frame, StreamHead, Text
from tracekit.numbered_rows import OutEvent
from tracekit.outbox import Outbox, OutFrame
from tracekit.plugins import PluginHost
from tracekit.said_calls import SaidCalls
from tracekit.sse import all_plain_data
from tracekit.stream_decoder import StreamDecoder
from tracekit.stream_facts import StreamFacts
from tracekit.trace import TraceInfo
from tracekit.transcript import Summary
from tracekit.types import EventType, Framing

__all__ = ["StreamReading"]

# Members of an enumeration are slow to reach through their class.
_SSE = Framing.SSE

_RAW = attrgetter("raw")

# Longest that frames wait for a decoder to recognise them.
_RECOGNISE_US = 500_000


class StreamReading:
    """The decoder of one stream and what it has read so far."""

    def __init__(
        self,
        plugins: PluginHost,
        head: StreamHead,
        info: TraceInfo,
        *,
        make_event: Callable[[int, str, Any], OutEvent],
        outbox: Outbox,
        said_calls: SaidCalls,
    ) -> None:
        """`make_event` makes a masked event; `outbox` takes it, behind its frame if one brought it. `said_calls`: what
        the app tells of its calls by itself."""
        self._framing: Framing = head.framing
        self._decoder = StreamDecoder(plugins, head)
        self._facts = StreamFacts(self._decoder.transcript, plugins, info, self._derived, said_calls)
        self._make_event = make_event
        self._outbox = outbox
        self._waiting: deque[OutFrame] = deque()
        self._reading: OutFrame | None = None

    def read(self, item: OutFrame) -> None:
        """Read a frame, now or as soon as it is known who can. A frame that was cut cannot be read."""
        if item.cut is not None:
            self._decoder.undecoded += 1
            return
        self._read(item, Frame(item.raw, self._framing, item.offset_us))

    def read_plain(self, items: Sequence[OutFrame]) -> None:
        """Read frames that are one plain event or line each."""
        one_by_one = 0
        while one_by_one < len(items) and not (self._decoder.settled and self._framing is _SSE):
            self.read(items[one_by_one])
            one_by_one += 1
        items = items[one_by_one:]
        told = self._facts
        for item, facts in zip(items, self._facts_of(items), strict=True):
            item.facts = facts
            if len(facts) == 1 and type(text := facts[0]) is Text:
                # A text means no event.
                if not told.has_preview:
                    told.first_text(item.offset_us, text)
            else:
                self._take(item, facts)

    def _facts_of(self, items: Sequence[OutFrame]) -> list[Sequence[Fact]]:
        """What the frames say. Where the decoder cannot read many at once, ever more are read one by one."""
        raws = list(map(_RAW, items))
        data = all_plain_data(raws)
        facts: list[Sequence[Fact]] = []
        apart = 1
        while len(facts) < len(items):
            read = self._decoder.read_plain(data[len(facts) :] if facts else data)
            facts += read
            apart = 1 if read else apart * 2
            places = range(len(facts), min(len(facts) + apart, len(items)))
            facts += self._decoder.read_all(
                [Frame(raws[place], _SSE, items[place].offset_us, data[place]) for place in places]
            )
        return facts

    def _read(self, item: OutFrame, frame: Frame) -> None:
        if self._decoder.settled:
            self._take(item, self._decoder.read(frame))
            return
        item.unread = True
        self._waiting.append(item)
        self._take_waiting(self._decoder.feed(frame))

    def _take_waiting(self, facts_of_frames: Sequence[Sequence[Fact]]) -> None:
        for facts in facts_of_frames:
            item = self._waiting.popleft()
            item.unread = False
            self._take(item, facts)

    def _take(self, item: OutFrame, facts: Sequence[Fact]) -> None:
        if facts:
            item.facts = facts
            self._reading = item
            self._facts.take(item.offset_us, facts)
            self._reading = None

    def _derived(self, offset: int, event_type: EventType, payload: dict[str, Any]) -> None:
        """An event that a frame means: numbered right behind that frame."""
        event = self._make_event(offset, event_type.value, payload)
        if self._reading is not None:
            self._outbox.put_behind(self._reading, event)
        else:
            self._outbox.put(event)

    def tick(self, now_us: int) -> None:
        """Time has passed: wait no longer for a surer claim."""
        if self._waiting and now_us - self._waiting[0].offset_us > _RECOGNISE_US:
            self._settle()

    def _settle(self) -> None:
        self._take_waiting(self._decoder.settle())

    def finish(self, offset: int) -> Summary:
        """The stream is over: what it said, with events for what only now is known."""
        self._settle()
        self._facts.take(offset, self._decoder.finish())
        self._facts.end(offset)
        summary = self._decoder.transcript.summary()
        if any((summary.model, summary.finish_reason, summary.text, summary.tool_calls)):
            said = {
                "model": summary.model,
                "finish_reason": summary.finish_reason,
                "wire_format": self.wire_format,
                "ended": summary.ended,
            }
            self._derived(offset, EventType.LLM_CALL_COMPLETED, said)
        if summary.usage:
            self._derived(offset, EventType.USAGE, summary.usage)
        return summary

    @property
    def wire_format(self) -> str:
        """The format, `unknown` while and where nobody knows it."""
        return self._decoder.wire_format[:64]

    @property
    def model(self) -> str | None:
        """The model that answers, as far as it is known."""
        return self._decoder.transcript.model

    @property
    def preview(self) -> str:
        """The beginning of the answer."""
        return self._facts.preview

    @property
    def first_content_us(self) -> int | None:
        """When the model first said anything."""
        return self._facts.first_content_us

    @property
    def undecoded(self) -> int:
        """Frames that could not be read."""
        return self._decoder.undecoded
