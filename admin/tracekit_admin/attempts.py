"""How often somebody may try to sign in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["Attempts"]

_WINDOW_SECONDS = 300.0

# Failures within the window. The first limit stops one address; the second stops many together, and is high enough
# that nobody keeps the admins out by accident.
_MOST_PER_ADDRESS = 10
_MOST_OVERALL = 200

# Addresses that are remembered; past it the oldest is forgotten, and the limit over all of them still holds.
_MOST_ADDRESSES = 1024


class Attempts:
    """Failed sign-ins of the last five minutes, per client address and overall. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._overall: deque[float] = deque()
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, address: str) -> int:
        """Let one attempt from this address begin: 0, or the seconds after which it may be tried again.

        An attempt counts as failed until `succeeded` is called, so that many at the same moment win nothing.
        """
        with self._lock:
            own = self._by_address.setdefault(address, deque())
            self._by_address.move_to_end(address)
            if len(self._by_address) > _MOST_ADDRESSES:
                self._by_address.popitem(last=False)
            wait = max(self._wait(own, _MOST_PER_ADDRESS), self._wait(self._overall, _MOST_OVERALL))
            if not wait:
                own.append(self._clock())
                self._overall.append(self._clock())
            return wait

    def succeeded(self, address: str) -> None:
        """Whoever knows the token begins anew."""
        with self._lock:
            self._by_address.pop(address, None)
            if self._overall:
                self._overall.pop()

    def _wait(self, failures: deque[float], most: int) -> int:
        now = self._clock()
        while failures and now - failures[0] >= _WINDOW_SECONDS:
            failures.popleft()
        return 0 if len(failures) < most else int(_WINDOW_SECONDS - (now - failures[-most])) + 1
