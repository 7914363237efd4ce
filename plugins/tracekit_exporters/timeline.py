"""The timeline of the text export: one line per event, or per run of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tracekit.exporting import FrameDetail
from tracekit.human_units import duration_text, offset_text, size_text
from tracekit.store.records import EventRecord, TraceRecord
from tracekit.terminal_text import fit, pad
from tracekit.types import EventType
from tracekit_exporters.describe import describe
from tracekit_exporters.frame_text import frame_content, frame_words
from tracekit_exporters.layout import WIDTH
from tracekit_exporters.silence import Silence, SilenceWatch

__all__ = ["Columns", "timeline"]

_TYPE_WIDTH = 20
_STREAM = frozenset({EventType.STREAM_FRAME, EventType.STREAM_KEEPALIVE})
# Enough of a run's text to fill the line.
_WORDS = 80


class Columns:
    """The widths of a trace's timeline, wide enough for its last offset and its last number."""

    def __init__(self, trace: TraceRecord) -> None:
        last = max(trace.last_event_at, trace.ended_at or 0) - trace.started_at
        self._seconds = len(str(max(last, 0) // 1_000_000))
        self._seq = len(str(trace.last_seq))

    def line(self, offset_us: int, seq: int | None, kind: str, what: str) -> str:
        """One line: when, number, type, what."""
        number = "" if seq is None else str(seq)
        head = f"{offset_text(offset_us, self._seconds)}  {number:>{self._seq}}  "
        head += f"{pad(fit(kind, _TYPE_WIDTH), _TYPE_WIDTH)}  "
        return (head + fit(what, max(WIDTH - len(head), 20))).rstrip()

    def moment(self, offset_us: int, what: str) -> str:
        """One line without number and type."""
        head = f"{offset_text(offset_us, self._seconds)}  "
        return head + fit(what, WIDTH - len(head))

    def pause(self, silence: Silence) -> str:
        """A silence, standing where it ended."""
        head = " " * (len(offset_text(0, self._seconds)) + 2 + self._seq + 2)
        return f"{head}{pad('· · · · ·', _TYPE_WIDTH)}  {silence}"


@dataclass(slots=True)
class _Run:
    """Consecutive frames, or consecutive keepalives."""

    first: EventRecord
    framing: str | None
    count: int = 0
    size: int = 0
    changed: int = 0
    until_us: int = 0
    words: list[str] = field(default_factory=list)
    words_length: int = 0

    def add(self, event: EventRecord) -> None:
        raw = event.raw or b""
        self.count += 1
        self.size += len(raw)
        self.changed += event.cut is not None
        self.until_us = event.offset_us
        if self.words_length < _WORDS and event.event_type == EventType.STREAM_FRAME:
            words = frame_words(raw, self.framing)[:_WORDS]
            self.words.append(words)
            self.words_length += len(words)

    def line(self, columns: Columns) -> str:
        if self.count == 1:
            return columns.line(
                self.first.offset_us, self.first.seq, self.first.event_type, describe(self.first, self.framing)
            )
        what = f"{size_text(self.size)} in {duration_text(self.until_us - self.first.offset_us)}"
        what += f", {self.changed:,} changed" if self.changed else ""
        kind = f"{self.first.event_type} ×{self.count}"
        return columns.line(self.first.offset_us, self.first.seq, kind, f"{what}  {self._said()}")

    def _said(self) -> str:
        words = "".join(self.words)
        return f"“{words}”" if words.strip() else frame_content((self.first.raw or b"")[:_WORDS], self.framing)[1]


def timeline(trace: TraceRecord, events: Iterable[EventRecord], frames: FrameDetail) -> Iterator[str]:
    """The lines of the timeline, in constant memory. `events` are all events of `trace`, in order."""
    columns, watch = Columns(trace), SilenceWatch(streams=trace.frames > 0)
    run: _Run | None = None
    for event in events:
        silence = watch.see(event)
        if run is not None and (silence or run.first.event_type != event.event_type):
            yield run.line(columns)
            run = None
        if silence:
            yield columns.pause(silence)
        if event.event_type not in _STREAM or event.raw is None or frames == "full":
            yield columns.line(event.offset_us, event.seq, event.event_type, describe(event, trace.framing))
        elif frames == "summary":
            run = run or _Run(event, trace.framing)
            run.add(event)
    if run is not None:
        yield run.line(columns)
