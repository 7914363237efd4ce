"""An exception as the payload of an `error` event."""

from __future__ import annotations

from traceback import TracebackException
from typing import Any

__all__ = ["exception_payload"]

_MOST_MESSAGE = 4_096
_MOST_TRACEBACK = 16_384


def exception_payload(summary: TracebackException) -> dict[str, Any]:
    """Type, message and traceback of an exception. Source lines are read here, away from the event loop."""
    # From Python 3.13 on the summary keeps only the name of the type; before, only the type.
    kind: str = getattr(summary, "exc_type_str", "") or _name_of(summary.exc_type)
    trace = "".join(summary.format())
    return {
        "type": kind.removeprefix("builtins."),
        "message": str(summary)[:_MOST_MESSAGE],
        "traceback": trace[-_MOST_TRACEBACK:],
    }


def _name_of(kind: type[BaseException] | None) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if kind else "Exception"
