"""Colours of the terminal. The word always stands beside the colour."""

from __future__ import annotations

from tracekit.types import EndReason, TraceStatus

__all__ = ["status_style"]

_STYLES = {
    TraceStatus.RUNNING: "bold blue",
    TraceStatus.COMPLETED: "green",
    TraceStatus.FAILED: "bold red",
    TraceStatus.CANCELLED: "yellow",
    TraceStatus.INTERRUPTED: "bold red",
}


def status_style(status: str, end_reason: str | None) -> str:
    """The style of a status: a client that left is nobody's fault, so grey."""
    if end_reason == EndReason.CLIENT_DISCONNECTED:
        return "bright_black"
    return next((style for known, style in _STYLES.items() if known == status), "")
