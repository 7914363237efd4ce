"""Words of the tables that a page shows, marked for translation: statuses, endings, kinds of events, causes."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from typing import Any

from tracekit.human_units import duration_text
from tracekit.store.question_records import Cause
from tracekit.terminal_text import one_line

__all__ = ["CAUSES", "WORDS", "cause_text", "word"]

WORDS = (
    # statuses of traces and spans, and the health of what runs
    "running", "completed", "failed", "cancelled", "interrupted", "queued", "retrying", "blocked", "success",
    "canceled",
    "moving", "silent", "stalled", "no_heartbeat", "ok", "degraded", "failing",
    # endings
    "completed_then_disconnected", "client_disconnected", "server_cancelled", "app_error", "stream_error",
    "http_error", "process_died", "no_data_closed", "recording_failed",
    # what switched recording on, and where a setting comes from
    "requested", "saved", "default_on", "run", "child", "ingest", "plugin", "default", "environment", "database",
    "both", "dev", "prod",
    # where a failure happened, and of what class it is
    "trace", "span", "tool_call", "transient", "persistent", "resource", "config", "unknown",
)  # fmt: skip
"""Words as the tables have them; shown with spaces in place of underscores."""

CAUSES = {
    "process_unknown": "No process says that it records it; the one that did is gone.",
    "process_ended": "Its process (%(host)s, pid %(pid)s) ended %(ended)s ago without ending it.",
    "process_silent": "Its process (%(host)s, pid %(pid)s) has not beaten for %(silent)s.",
    "blocked": "The step says that it is blocked: %(reason)s",
    "retrying": "The step is about to try again, and waits.",
    "queued": "The step is queued, and nobody has taken it up.",
    "waits_for_tool": "The tool call %(tool)s began %(waited)s ago and has not ended.",
    "waits_for_child": "It may wait for child runs that still run: %(count)s.",
    "slow_client": "The client reads slowly: sending was blocked for %(blocked)s.",
    "only_keepalives": "Keepalives flow, and nothing has been said for %(silent)s.",
    "no_sign": "Its process lives, and has said nothing of it for %(silent)s: it may wait without a time limit.",
}
"""What may be the cause of a standstill, by the code of the cause."""


def word(translation: gettext.NullTranslations, value: str | None) -> str:
    """A word of a table in the language of the page; one that is not known is somebody's own, and shown as text."""
    if not value:
        return "–"
    shown = value.replace("_", " ")
    return translation.gettext(shown) if value in WORDS else one_line(shown)


def cause_text(translation: gettext.NullTranslations, cause: Cause) -> str:
    """A cause in the language of the page."""
    pattern = CAUSES.get(cause.code)
    return cause.text if pattern is None else translation.gettext(pattern) % _values(cause.values)


def _values(values: Mapping[str, str | int]) -> dict[str, Any]:
    durations = {
        name.removesuffix("_us"): duration_text(int(value)) for name, value in values.items() if name.endswith("_us")
    }
    return {**values, **durations}
