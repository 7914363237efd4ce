"""How much waits in memory to be written, over all traces of a process."""

from __future__ import annotations

__all__ = ["ENTRY_OVERHEAD", "Budget"]

# What an entry costs besides its bytes: the tuple, two integers, the head of the bytes object (CPython, 64 bit).
ENTRY_OVERHEAD = 200

# Past this much new data the writer is woken before its interval is over.
_WAKE_BYTES = 1024 * 1024


class Budget:
    """Counts bytes in and out. Capturing threads add, the writer releases; the difference is what waits.

    The hot path does `appended += n` and one comparison, without a lock: CPython switches threads only at calls and
    jumps, never inside that statement. Should a count be lost all the same, `settle` puts it right whenever nothing
    waits.
    """

    __slots__ = ("appended", "limit", "released", "threshold")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.appended = 0
        self.released = 0
        self.threshold = 0
        self.rearm()

    @property
    def waiting(self) -> int:
        """Bytes that wait now."""
        return self.appended - self.released

    @property
    def payload_limit(self) -> int:
        """Bytes past which payloads are dropped and frames still counted: seven eighths of the limit."""
        return self.limit - self.limit // 8

    def rearm(self) -> None:
        """Set the mark at which capture calls for the writer. Called by the writer when it takes what waits.

        Never past the place where payloads begin to be dropped: while the database is away, the writer comes here
        with each try that fails.
        """
        step = min(_WAKE_BYTES, self.limit // 4)
        self.threshold = min(self.appended + step, self.released + self.payload_limit)

    def called(self) -> None:
        """The writer was called. Capture has nothing more to ask for before memory is short: a writer that is behind
        must not make each further message dearer."""
        self.threshold = self.released + self.payload_limit

    def release(self, size: int) -> None:
        """Take `size` bytes out of the count: they are stored, or given up."""
        self.released += size

    def settle(self) -> None:
        """Nothing waits: begin again from an exact count."""
        self.released = self.appended
