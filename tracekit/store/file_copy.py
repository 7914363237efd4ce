"""Copies of a SQLite file that others may be using, made and put back by SQLite's own means."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection

from tracekit.errors import StoreUnavailable

__all__ = ["copy_file", "kept_copy", "put_back"]

logger = logging.getLogger("tracekit.store")


@contextmanager
def kept_copy(connection: Connection, file: Path, copy: Path) -> Iterator[None]:
    """Keep a copy of `file` while `connection`, which has its write lock, changes it in one transaction.

    After an error the caller rolls back, and that is enough. Only if something was committed all the same, the copy
    is put back.

    Raises:
        StoreUnavailable: there is no room for a copy, or it cannot be written.
    """
    with closing(sqlite3.connect(file)) as watcher:
        before = _changes(watcher)
        copy_file(file, copy)
        try:
            yield
        except BaseException:
            if _changes(watcher) != before:
                _roll_back(connection)
                put_back(copy, file)
                logger.error("a migration committed and failed then: %s is put back from %s", file, copy)
            raise


def copy_file(source: Path, target: Path) -> None:
    """Copy a database as it stands at one moment. `target` appears when it is whole, readable by its owner only.

    Raises:
        StoreUnavailable: there is no room for it, or it cannot be written.
    """
    half = target.with_name(f"{target.name}.part")
    try:
        _refuse_without_room(source, target)
        half.unlink(missing_ok=True)
        half.touch(mode=0o600)
        with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(half)) as writing:
            reading.backup(writing)
            # One file, also when it is looked at: in WAL mode a reader would put two more beside it.
            writing.execute("PRAGMA journal_mode = DELETE")
        half.replace(target)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            half.unlink()
        raise StoreUnavailable(f"no copy of {source} can be kept beside it: {error}") from error


def put_back(copy: Path, file: Path) -> None:
    """Make `file` what `copy` is, in one transaction: who has it open sees the old or the new."""
    with closing(sqlite3.connect(copy)) as reading, closing(sqlite3.connect(file)) as writing:
        reading.backup(writing)


def _roll_back(connection: Connection) -> None:
    """Give up what lock is left, past SQLAlchemy, which believes that its transaction is still open."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.rollback()


def _changes(watcher: sqlite3.Connection) -> int:
    """A number that changes when another connection commits."""
    version: int = watcher.execute("PRAGMA data_version").fetchone()[0]
    return version


def _refuse_without_room(source: Path, target: Path) -> None:
    needed, free = source.stat().st_size, shutil.disk_usage(target.parent).free
    if free < needed:
        raise StoreUnavailable(f"no room for a copy of {source}: it has {needed} bytes, and {free} are free")
