"""Leases: work that one process at a time may do, over all processes that share a database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection, func, select

from tracekit.errors import StoreUnavailable
from tracekit.store.engine import Database

__all__ = ["try_lease"]


@contextmanager
def try_lease(database: Database, name: str) -> Iterator[bool]:
    """Hold the lease `name` while the block runs, or learn that another holds it; never waits.

    `name` is a word of letters. A lease ends with the process that holds it, however that ends: on SQLite it is the
    lock of a file beside the database, on PostgreSQL an advisory lock.

    Raises:
        StoreUnavailable: the database cannot be reached, or no file can be made beside it.
    """
    path = database.path()
    if path is None:
        with database.holding() as connection:
            yield _try_advisory_lock(connection, name)
        return
    with _locked_file(path.with_name(f"{path.name}.{name}.lock")) as held:
        yield held


def _try_advisory_lock(connection: Connection, name: str) -> bool:
    """A lock that ends with its transaction: one of the session would outlive its holder behind a pooler that shares
    sessions."""
    key = int.from_bytes(blake2b(f"tracekit:{name}".encode(), digest_size=8).digest(), signed=True)
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(key))).scalar_one())


@contextmanager
def _locked_file(path: Path) -> Iterator[bool]:
    """`flock` and not `lockf`: it also parts two threads of one process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"no lock file can be made beside the database: {error}") from error
    try:
        yield _try_flock(descriptor)
    finally:
        # Not left to closing: a child that was forked meanwhile has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
