"""The errors of a trace in full: type, message and traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from tracekit.human_units import counted, offset_text
from tracekit.store.records import EventRecord
from tracekit.types import EventType
from tracekit_exporters.describe import describe
from tracekit_exporters.layout import bar, heading

__all__ = ["ERROR_EVENTS", "errors"]

ERROR_EVENTS = (EventType.ERROR, EventType.STREAM_ERROR)

# The first errors are the causes; those that follow are read in the timeline.
_MOST_ERRORS = 5
_LONGEST = 20_000


def errors(events: Iterable[EventRecord]) -> Iterator[str]:
    """The section with the errors; nothing where there are none."""
    remaining = iter(events)
    first = list(islice(remaining, _MOST_ERRORS))
    if not first:
        return
    yield from heading("ERRORS")
    for event in first:
        yield ""
        yield f"  {event.event_type} at {offset_text(event.offset_us)}"
        traceback = (event.payload or {}).get("traceback")
        yield from bar((traceback if isinstance(traceback, str) else describe(event)).rstrip()[:_LONGEST])
    if more := sum(1 for _ in remaining):
        yield f"  … and {counted(more, 'more error')}: see the timeline"
