"""What the writer did, in numbers, and what a flush achieved."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from tracekit.store.writes import WriteResult

__all__ = ["FlushResult", "WriterCounters"]


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What a flush achieved. `complete`: all that was captured before the call is in the database, but for what was
    dropped or refused and is counted, and for what is `held`."""

    complete: bool
    written: int
    """Events written since the recorder started."""
    failed: int
    """Events that the database refused, since then."""
    waiting_bytes: int
    held: int
    """Frames and events of running streams that wait in memory for what follows: until it is known who can read the
    stream, half a second at most, or while a secret may be growing in it. A process that is killed loses them."""


@dataclass(slots=True)
class WriterCounters:
    """What the writer did since it started."""

    batches: int = 0
    traces: int = 0
    events: int = 0
    failed_events: int = 0
    orphaned_events: int = 0
    """Events of traces that were deleted, or whose own row was refused."""
    failed_batches: int = 0
    """Attempts that the database refused as a whole."""
    consecutive_failures: int = 0
    last_flush_at: float | None = None
    """Unix time, seconds."""
    last_problem: str | None = None
    flush_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def count(self, result: WriteResult, seconds: float) -> None:
        """A batch was written, which took so long."""
        self.batches += 1
        self.traces += result.traces
        self.events += result.events
        self.failed_events += result.failed
        self.orphaned_events += result.orphaned_events
        self.last_problem = result.problems[-1] if result.problems else self.last_problem
        self.last_flush_at = time.time()
        self.flush_ms.append(seconds * 1000)
