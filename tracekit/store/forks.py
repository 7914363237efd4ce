"""A fork must not find a SQLite file open.

SQLite keeps the locks of a process in its memory. A child inherits that memory but not the locks, so it would believe
to hold what it does not: another process could then delete the log under it, and what it writes would be lost
(https://www.sqlite.org/howtocorrupt.html, section 2.6). So while a process forks, its databases are closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Condition
from typing import Protocol
from weakref import WeakSet

__all__ = ["Gate", "watch"]

_PATIENCE = 1.0
"""Seconds that a fork waits for transactions in progress."""


class Gate:
    """Lets transactions pass, and stops new ones while the process forks."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._shut = False

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def shut(self, close: Callable[[], None]) -> None:
        """Wait until nobody is inside, but not for ever; then `close`, and let nobody in."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: not self._inside, _PATIENCE)
        close()

    def open(self) -> None:
        """Let them in again."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()


class Forkable(Protocol):
    """What is told of forks."""

    def before_fork(self) -> None: ...

    def after_fork_in_parent(self) -> None: ...

    def after_fork(self) -> None: ...


_watched: WeakSet[Forkable] = WeakSet()


def watch(database: Forkable) -> None:
    """Tell `database` of every fork of this process, as long as it lives."""
    _watched.add(database)


def _each(action: Callable[[Forkable], None]) -> Callable[[], None]:
    def act() -> None:
        for database in list(_watched):
            action(database)

    return act


os.register_at_fork(
    before=_each(lambda database: database.before_fork()),
    after_in_parent=_each(lambda database: database.after_fork_in_parent()),
    after_in_child=_each(lambda database: database.after_fork()),
)
