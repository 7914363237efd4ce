"""What happens to recorders when the process forks or ends."""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["follow"]


class _Followed(Protocol):
    def after_fork(self) -> None: ...

    def shutdown(self) -> object: ...


_followed: WeakSet[_Followed] = WeakSet()


def follow(recorder: _Followed) -> None:
    """Tell this recorder of forks, and shut it down when the interpreter exits."""
    _followed.add(recorder)


def _after_fork_in_child() -> None:
    for recorder in list(_followed):
        recorder.after_fork()


def _at_exit() -> None:
    for recorder in list(_followed):
        recorder.shutdown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
