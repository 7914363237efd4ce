"""The fence around code that is not ours: plugins, and functions of the host. What fails there ends there.

That code runs as a plain call, so nothing that it raises is meant for its caller: not a `SystemExit`, and not a
`CancelledError`, since a task is cancelled at an `await` and a hook has none. Only `KeyboardInterrupt` passes, which is
the operator's, and may arrive at any instruction.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from inspect import isasyncgenfunction, iscoroutine, iscoroutinefunction, isgeneratorfunction
from typing import Any

from tracekit.log_pace import LogPace

__all__ = ["Fence", "in_words", "pass_interrupt", "why_not_plain", "wrong_answer"]

logger = logging.getLogger("tracekit.plugins")

_MOST_CHARACTERS = 500


class Fence:
    """Calls what belongs to somebody, and keeps count of what went wrong there. Safe to use from several threads."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        """How often each owner's code failed."""
        self.last_fault: dict[str, str] = {}
        """What happened the last time, by owner."""
        self._pace = LogPace()

    def call(self, owner: str, place: str, function: Callable[[], Any], otherwise: object = None) -> Any:
        """What `function` returns; `otherwise` if it raises, which is counted, and logged once a minute."""
        try:
            return function()
        except BaseException as error:  # noqa: BLE001 - the fence: nothing goes further, whatever it derives from
            pass_interrupt(error)
            self.note(owner, place, error)
            return otherwise

    def note(self, owner: str, place: str, error: BaseException) -> None:
        """Count a fault, and log it unless the same place failed within the last minute."""
        self.faults[owner] += 1
        self.last_fault[owner] = f"{place}: {in_words(error)}"[:_MOST_CHARACTERS]
        # What fails on every frame must not fill the log.
        if self._pace.is_due((owner, place)):
            logger.error("plugin %s failed in %s", owner, place, exc_info=error)


def pass_interrupt(error: BaseException) -> None:
    """Raise what no fence holds up.

    Raises:
        KeyboardInterrupt: that is what `error` is.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error


def in_words(error: BaseException) -> str:
    """An error's type and message; an exception whose own `__str__` raises has its type alone."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - it is foreign code too
        return type(error).__name__


def wrong_answer(answer: Any, wanted: str) -> TypeError:
    """The fault of an answer that is not what was asked for. A coroutine, which nobody will await, is closed."""
    if iscoroutine(answer):
        answer.close()
    return TypeError(f"answered {type(answer).__name__}, not {wanted}")


def why_not_plain(function: object) -> str | None:
    """Why a function gives no answer when it is called; None if it may give one."""
    if iscoroutinefunction(function) or isasyncgenfunction(function):
        return "is a coroutine function"
    return "is a generator function" if isgeneratorfunction(function) else None
