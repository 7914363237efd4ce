"""A file that keeps some room on the disk: a database on a full disk cannot even delete, until this is let go."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Reserve"]

# Bytes. A deletion writes to the log before it frees anything: 2 to 5 MB were seen to be needed.
_BYTES = 8 * 1024 * 1024


class Reserve:
    """Room beside a SQLite file, made when the disk runs short. Without a path there is none."""

    def __init__(self, database: Path | None) -> None:
        self._path = None if database is None else database.with_name(f"{database.name}.reserve")

    def make(self, free_bytes: int) -> None:
        """Take some of what is left, at most half; nothing if it was taken already, or cannot be."""
        if self._path is None or self._path.exists():
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, min(_BYTES, free_bytes // 2))
            finally:
                os.close(descriptor)
        except OSError:
            self.release()

    def release(self) -> bool:
        """Give the room back; whether there was some."""
        if self._path is None:
            return False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
