"""What a trace says whose recorder has not come to write it down: read from its frames.

The texts of a trace are stored when its stream has ended. While it runs, and where its process died, the frames are
there all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tracekit.live_answer import LiveAnswer
from tracekit.plugins import PluginHost
from tracekit.store.records import EventRecord, Texts

__all__ = ["MOST_EVENTS", "texts_of_frames"]

MOST_EVENTS = 100_000
"""What follows after so many events is not read: it takes seconds, and nobody asked for an export."""


def texts_of_frames(plugins: PluginHost, framing: str | None, events: Iterable[EventRecord]) -> Texts:
    """Answer and reasoning of a trace, from its events in order. `framing` as the trace's column has it."""
    answer = LiveAnswer(plugins, framing)
    said: dict[str, list[str]] = {"answer": [], "reasoning": []}
    rest = iter(events)
    for event in islice(rest, MOST_EVENTS):
        for kind, text in answer.add(event):
            said[kind].append(text)
    for kind, text in answer.rest():
        said[kind].append(text)
    whole = not answer.cut_frames and next(rest, None) is None
    return Texts(answer="".join(said["answer"]), reasoning="".join(said["reasoning"]), whole=whole)
