"""What commands about running traces have in common: by which limit they are judged, and how they are named."""

from __future__ import annotations

from tracekit.config import InitialSettings, load
from tracekit.settings_store import SettingsStore
from tracekit.store import TraceStore
from tracekit.store.question_records import Owner, RunningTrace

__all__ = ["HEALTH_STYLES", "idle_timeout_ms", "process_text", "title"]

HEALTH_STYLES = {"moving": "green", "silent": "", "stalled": "bold yellow", "no_heartbeat": "bold red"}
"""Colours of a trace's health. The word stands beside the colour."""


def idle_timeout_ms(store: TraceStore) -> int:
    """The idle limit in force, in milliseconds. Raises StoreUnavailable."""
    initial, _ = load(InitialSettings)
    settings = SettingsStore(store.database, initial)
    settings.refresh()
    return settings.current.task_trace_idle_timeout_ms


def title(trace: RunningTrace) -> str:
    """What a trace is, as recorded: its name, or the request."""
    return trace.name or " ".join(part for part in (trace.method, trace.path) if part)


def process_text(owner: Owner | None) -> str:
    """The process that records a trace: `host:pid`, and whether it is gone."""
    if owner is None:
        return "unknown"
    return f"{owner.host}:{owner.pid}" + ("" if owner.alive else " (dead)")
