"""A SQLite file that is damaged: moved aside, and a backup or a new file put in its place."""

from __future__ import annotations

import logging
from pathlib import Path

from tracekit.store.backups import Backups, fault_of, move_aside
from tracekit.store.engine import Database
from tracekit.store.leases import try_lease

__all__ = ["damaged_files", "replace_damaged"]

logger = logging.getLogger("tracekit.store")


def damaged_files(path: Path | None) -> list[str]:
    """The names of the damaged files that are kept beside a database."""
    if path is None:
        return []
    return sorted(
        file.name for file in path.parent.glob(f"{path.name}.damaged-*") if not file.name.endswith(("-wal", "-shm"))
    )


def replace_damaged(database: Database) -> Path | None:
    """If the file is damaged, as SQLite's own check sees it, keep it under a name with the date, and put the newest
    whole backup in its place; without one nothing, so that a new file is made. Where it is kept; None: nothing was
    done, since it is not damaged, or another process does it.

    Raises:
        StoreError, OSError: it is damaged, and could not be replaced.
    """
    path = database.path()
    if path is None:
        return None
    with try_lease(database, "damaged") as is_ours:
        fault = fault_of(path) if is_ours else None
        if fault is None or not path.exists():
            return None
        backup = Backups(database).newest_good()
        database.close()
        aside = move_aside(path, backup)
    successor = f"the backup {backup.name}" if backup else "a new file"
    logger.critical("%s is damaged (%s): it is kept as %s, and %s takes over", path, fault, aside.name, successor)
    return aside
