"""The database: what is written into it, and every question that is asked of it."""

from tracekit.store.engine import Database
from tracekit.store.landmarks import Landmarks
from tracekit.store.records import (
    DeletionEstimate,
    EventFilter,
    EventPage,
    EventRecord,
    Neighbours,
    OpenToolCall,
    Page,
    Snapshot,
    StoreCounts,
    Texts,
    TraceFilter,
    TraceRecord,
)
from tracekit.store.traces import TraceStore

__all__ = [
    "Database",
    "DeletionEstimate",
    "EventFilter",
    "EventPage",
    "EventRecord",
    "Landmarks",
    "Neighbours",
    "OpenToolCall",
    "Page",
    "Snapshot",
    "StoreCounts",
    "Texts",
    "TraceFilter",
    "TraceRecord",
    "TraceStore",
]
