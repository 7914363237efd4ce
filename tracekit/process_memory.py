"""How much memory this process takes."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["resident_bytes"]

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """The resident set. Where the system has no `/proc`, the most that it ever was: there is no other standard way."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # The only system that counts it in bytes.
        return most if sys.platform == "darwin" else most * 1024
