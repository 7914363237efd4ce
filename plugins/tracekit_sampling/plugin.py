"""A share of the chats that are recorded by default: `TRACEKIT_SAMPLE_RATIO`, from 0 (none) to 1 (all, the default).

A chat that somebody asked for, in its body or by its header, is always recorded. Whole conversations are kept or left
out together where a header names them; otherwise each request is drawn by its own trace id, so that asking twice
gives the same answer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from tracekit.hookspecs import hookimpl
from tracekit.middleware import SCOPE_KEY
from tracekit.trace import TaskTraceRecorder
from tracekit.types import Decision, Scope

__all__ = ["tracekit_configuration_problems", "tracekit_should_record"]

_VARIABLE = "TRACEKIT_SAMPLE_RATIO"
_CONVERSATION_HEADERS = frozenset(
    {b"x-session-id", b"x-conversation-id", b"x-thread-id", b"x-chat-id", b"session-id", b"conversation-id"}
)


@hookimpl
def tracekit_should_record(scope: Scope, decision: Decision) -> Decision | None:
    """Takes back the yes of the default for those that were not drawn."""
    if decision.why != "default_on":
        return None
    ratio = _ratio(os.environ.get(_VARIABLE, ""))
    return None if ratio is None or ratio >= 1 or _draw(scope) < ratio else Decision(False, "sampled_out")


@hookimpl
def tracekit_configuration_problems() -> Sequence[str] | None:
    """Says so where the ratio is none. Everything is then recorded: nothing is lost to a typing error."""
    if _ratio(os.environ.get(_VARIABLE, "")) is not None:
        return None
    return [f"{_VARIABLE}: not a number from 0 to 1; everything is recorded"]


@lru_cache(maxsize=8)
def _ratio(text: str) -> float | None:
    """The ratio, 1 where nothing is said; None: it is no such number."""
    try:
        ratio = float(text) if text.strip() else 1.0
    except ValueError:
        return None
    return ratio if 0 <= ratio <= 1 else None


def _draw(scope: Scope) -> float:
    """A number from 0 to below 1, always the same for one conversation, or else for one request."""
    for name, value in scope.get("headers", ()):
        if name in _CONVERSATION_HEADERS and value:
            return _spread(value)
    trace = scope.get(SCOPE_KEY)
    # Sampling needs no secret randomness.
    return _spread(trace.trace_id.encode()) if isinstance(trace, TaskTraceRecorder) else random.random()  # noqa: S311


def _spread(key: bytes) -> float:
    return int.from_bytes(blake2b(key, digest_size=6).digest()) / (1 << 48)
