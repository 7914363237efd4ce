"""Work of the housekeeping that may take minutes: in a thread of its own for as long as it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["BackgroundJob"]


@dataclass(slots=True)
class BackgroundJob:
    """Runs when it is due, and not twice at a time. `run` handles its own errors."""

    name: str
    due: Callable[[], bool]
    run: Callable[[], object]
    _thread: threading.Thread | None = field(default=None, init=False)

    def turn(self) -> None:
        """Begin if it is time to. Raises what `due` raises, and RuntimeError where no thread can be had."""
        if (self._thread is None or not self._thread.is_alive()) and self.due():
            self._thread = threading.Thread(target=self.run, name=f"tracekit-{self.name}", daemon=True)
            self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait until it is done, so many seconds at most."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
