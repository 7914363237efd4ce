"""Whether a database file is still the one that is open: SQLite itself goes on writing into one that was deleted."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FileIdentity"]


class FileIdentity:
    """Remembers which file stood at a path. Without a path, as for PostgreSQL, nothing is ever another."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._noted: tuple[int, int] | None = None

    def note(self) -> None:
        """The file that stands there now is the one."""
        self._noted = self._current()

    def is_another(self) -> bool:
        """Whether it was deleted, or another was put in its place. False while it cannot be told."""
        return self._noted is not None and self._current() != self._noted

    def _current(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return self._noted
        return found.st_dev, found.st_ino
