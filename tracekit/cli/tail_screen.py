"""A trace on a terminal while it is written: the answer grows in place, and below it stands how things stand.

Lines that are complete go above for good, where the terminal scrolls them; only the last, unfinished line and the
line of state are drawn anew. So an answer may be of any length.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from tracekit.cli.output import screen
from tracekit.cli.styles import status_style
from tracekit.cli.tail_words import event_words
from tracekit.endings import ending_text
from tracekit.human_units import counted, duration_text, moment_text, offset_text
from tracekit.live_answer import Said
from tracekit.store import EventRecord, TraceRecord
from tracekit.terminal_text import fit, one_line, safe_lines, wrap
from tracekit.types import EventType

__all__ = ["TailScreen"]

_BAR = "│ "

# An unfinished line that is longer goes above as it is: what is drawn anew must fit on the screen.
_LONGEST_LINE = 1000

_FRAMES_A_SECOND = 8

# A silence that is worth a word, microseconds.
_SILENT_US = 3_000_000

_QUIET = frozenset({EventType.STREAM_FRAME, EventType.STREAM_KEEPALIVE, EventType.SPAN_HEARTBEAT})


class TailScreen:
    """Shows one trace. To be used in a `with` block; `end` comes after it."""

    def __init__(self, trace: TraceRecord) -> None:
        self._trace = trace
        self._console = screen()
        self._line = ""
        self._kind: str | None = None
        self._counts: Counter[str] = Counter()
        self._calls: dict[object, tuple[str, int]] = {}
        self._clock = _Clock(trace)
        self._last_frame_us: int | None = None
        self._over = trace.ended_at is not None
        self.caught_up = False
        """What comes from now on has just happened."""
        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            refresh_per_second=_FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> TailScreen:
        self._print(f"Trace {one_line(self._trace.trace_id)}", "bold")
        request = " ".join(part for part in (self._trace.method, self._trace.path) if part) or self._trace.name
        about = [moment_text(self._trace.started_at), request, self._trace.session_id]
        self._print(" · ".join(one_line(fact) for fact in about if fact), "dim")
        try:
            self._live.start(refresh=True)
        except BaseException:
            # Ctrl-C at this moment must not leave the cursor hidden.
            self._live.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._finish_line()
        self._live.stop()

    def add(self, event: EventRecord, said: Sequence[Said]) -> None:
        """Take an event, and what it adds to the answer."""
        self._counts[event.event_type] += 1
        # Between our clock and the recorder's there may be anything, so of what has just happened ours is taken.
        at_us = self._clock.now_us if self.caught_up else event.offset_us
        if event.event_type == EventType.STREAM_FRAME:
            self._last_frame_us = at_us
        self._over = self._over or event.event_type == EventType.TRACE_FINISHED
        if event.event_type not in _QUIET:
            self._follow_call(event, at_us)
            self._finish_line()
            words = f"{offset_text(event.offset_us)}  {one_line(event.event_type)}  {event_words(event)}"
            self._print(fit(words, max(20, self._console.width - 1)), _style_of(event.event_type))
        for piece in said:
            self._say(piece)

    def end(self, trace: TraceRecord) -> None:
        """Say how it ended. `trace` as it stands in the end."""
        lasted = "" if trace.duration_ms is None else f" after {duration_text(trace.duration_ms * 1000)}"
        ended = f"{trace.status}: {ending_text(trace.status, trace.end_reason)}{lasted}"
        facts = [ended, counted(trace.frames, "frame"), trace.reason_code, trace.error]
        text = " · ".join(one_line(fact) for fact in facts if fact)
        self._print(f"Ended   {text}", status_style(trace.status, trace.end_reason))

    # The answer

    def _say(self, piece: Said) -> None:
        if piece.kind != self._kind:
            self._finish_line()
            self._kind = piece.kind
        *complete, self._line = (self._line + piece.text).split("\n")
        for line in complete:
            self._commit(line)
        if len(self._line) > _LONGEST_LINE:
            self._finish_line()

    def _finish_line(self) -> None:
        if self._line:
            self._commit(self._line)
            self._line = ""

    def _commit(self, line: str) -> None:
        for row in self._rows(line):
            self._print(row, self._answer_style)

    @property
    def _answer_style(self) -> str:
        return "dim" if self._kind == "reasoning" else ""

    def _rows(self, line: str) -> Iterator[str]:
        """A line as narrow as the terminal, behind a bar, so that no recorded word passes for one of ours."""
        for safe in safe_lines(line.removesuffix("\r")):
            for row in wrap(safe, max(20, self._console.width - len(_BAR) - 1)):
                yield _BAR + row

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    # What is drawn anew, on a thread of rich's

    def _drawn(self) -> RenderableType:
        rows = list(self._rows(self._line))[-max(1, self._console.height - 3) :] if self._line else []
        answer = [Text(row, self._answer_style) for row in rows]
        return Group(*answer, Text(fit(self._standing(), max(20, self._console.width - 1)), "bold"))

    def _standing(self) -> str:
        if self._over:
            return "ended; waiting for what may still come"
        facts = [
            f"running {_counting(self._clock.now_us)}",
            self._since_frame(),
            counted(self._counts[EventType.STREAM_FRAME], "frame"),
            *self._optional("keepalive", self._counts[EventType.STREAM_KEEPALIVE]),
            *self._optional("long silence", self._counts[EventType.STREAM_IDLE]),
            *self._tools(),
        ]
        return " · ".join(facts)

    def _since_frame(self) -> str:
        if self._last_frame_us is None:
            return "no frame yet"
        since = max(0, self._clock.now_us - self._last_frame_us)
        spent = _counting(since)
        return f"silent for {spent}" if since > _SILENT_US else f"last frame {spent} ago"

    @staticmethod
    def _optional(noun: str, count: int) -> Iterable[str]:
        return [counted(count, noun)] if count else []

    # Tool calls

    def _follow_call(self, event: EventRecord, at_us: int) -> None:
        payload = event.payload or {}
        name, call = payload.get("name"), payload.get("id")
        key = call if isinstance(call, str) and call else name if isinstance(name, str) else None
        if event.event_type == EventType.TOOL_STARTED:
            self._calls[key] = (name if isinstance(name, str) else "?", at_us)
        elif event.event_type in (EventType.TOOL_FINISHED, EventType.TOOL_FAILED):
            self._calls.pop(key, None)

    def _tools(self) -> Iterator[str]:
        for name, began in list(self._calls.values())[:3]:
            yield f"tool {fit(name, 30)} for {_counting(max(0, self._clock.now_us - began))}"


class _Clock:
    """Time since the start of a trace: from the calendar once, then by a clock that nobody sets."""

    def __init__(self, trace: TraceRecord) -> None:
        self._began_us = time.monotonic_ns() // 1000 - max(0, time.time_ns() // 1000 - trace.started_at)

    @property
    def now_us(self) -> int:
        """Microseconds."""
        return time.monotonic_ns() // 1000 - self._began_us


def _counting(microseconds: int) -> str:
    """A time that grows while it is looked at: tenths of a second are as much as an eye can follow."""
    return f"{microseconds / 1_000_000:.1f} s" if microseconds < 59_950_000 else duration_text(microseconds)


def _style_of(event_type: str) -> str:
    if event_type in (EventType.ERROR, EventType.STREAM_ERROR, EventType.TOOL_FAILED):
        return "red"
    return "yellow" if event_type in (EventType.STREAM_IDLE, EventType.TRACE_TRUNCATED) else "dim"
