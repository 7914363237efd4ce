"""How a trace ended and who ended it, in plain words."""

from __future__ import annotations

from tracekit.types import EndReason, TraceStatus

__all__ = ["ending_label", "ending_text"]

_WORDS = {
    EndReason.COMPLETED: "the app finished its answer",
    EndReason.COMPLETED_THEN_DISCONNECTED: "the answer was complete; then the client left",
    EndReason.CLIENT_DISCONNECTED: "the client left before the answer was complete",
    EndReason.SERVER_CANCELLED: "the server cancelled it",
    EndReason.APP_ERROR: "the app raised an error",
    EndReason.STREAM_ERROR: "the stream itself reported an error",
    EndReason.HTTP_ERROR: "the app answered with an HTTP error",
    EndReason.PROCESS_DIED: "the process that served it died",
    EndReason.NO_DATA_CLOSED: "it was closed before anything was sent",
    EndReason.RECORDING_FAILED: "recording failed; the stream itself went on",
}

_LABELS = {
    EndReason.COMPLETED: "completed",
    EndReason.COMPLETED_THEN_DISCONNECTED: "completed",
    EndReason.CLIENT_DISCONNECTED: "client left",
    EndReason.SERVER_CANCELLED: "server cancelled",
    EndReason.APP_ERROR: "app error",
    EndReason.STREAM_ERROR: "stream error",
    EndReason.HTTP_ERROR: "HTTP error",
    EndReason.PROCESS_DIED: "process died",
    EndReason.NO_DATA_CLOSED: "no data",
    EndReason.RECORDING_FAILED: "recording failed",
}


def ending_label(status: str, end_reason: str | None, *, stalled: bool = False) -> str:
    """How a trace stands, in a word or two: for a column of a list."""
    if end_reason is None:
        return f"{status}, stalled" if stalled else status
    known = EndReason.__members__.get(end_reason.upper())
    return end_reason.replace("_", " ")[:20] if known is None else _LABELS[known]


def ending_text(status: str, end_reason: str | None) -> str:
    """Who ended a trace and how, as the rest of a sentence. `end_reason` may be a word this version does not know."""
    if end_reason is None:
        return "still running" if status == TraceStatus.RUNNING else "nothing says how it ended"
    known = EndReason.__members__.get(end_reason.upper())
    return end_reason.replace("_", " ") if known is None else _WORDS[known]
