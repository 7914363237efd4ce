"""The spool: where batches wait on disk while the database cannot be written for longer than memory should hold them.

Nothing is on disk while the database takes writes. Once something is, what follows goes behind it, so that all is
written in order; and what is written is marked, so that nothing is written twice, also when the process dies in
between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from tracekit.log_pace import LogPace
from tracekit.store.batch import Batch
from tracekit.store.batch_codec import decode_batch, encode_batch
from tracekit.store.engine import Database
from tracekit.store.spool_file import DamagedSpool, SpoolFile, SpoolOwner

__all__ = ["SUFFIX", "Spool", "spool_folder", "write_back"]

logger = logging.getLogger("tracekit.spool")

SUFFIX = ".spool"

# Seconds of writing back at a time: the writer has traces to tend meanwhile.
_SLICE_S = 0.5


def spool_folder(chosen: Path | None, database: Database) -> Path | None:
    """Where spools lie: beside a SQLite file, else in the folder where the process runs. None: a database in memory
    needs none."""
    path = database.path()
    if chosen is not None or path is None:
        return chosen or (Path("tracekit.spool").absolute() if database.dialect == "postgresql" else None)
    return path.with_name(f"{path.name}.spool")


class Spool:
    """The spool of one process. Used on the writer thread only, but for what tells how it stands."""

    def __init__(self, folder: Path | None, limit_bytes: int, owner: SpoolOwner) -> None:
        """`folder` None or `limit_bytes` 0: there is none."""
        self.limit_bytes = limit_bytes if folder is not None else 0
        self.problem: str | None = None
        """Why it could not take a batch."""
        self._folder = folder
        self._owner = owner
        self._file: SpoolFile | None = None
        self._pace = LogPace()

    @property
    def is_empty(self) -> bool:
        """Nothing waits in it."""
        return self._file is None

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        file = self._file
        return 0 if file is None else file.size

    def keep(self, batch: Batch) -> bool:
        """Take a batch; False where it cannot: it is full or off, the disk fails, or the batch is too odd."""
        if self._folder is None or not self.limit_bytes:
            return False
        try:
            content = encode_batch(batch)
            if self.size_bytes + len(content) > self.limit_bytes:
                raise ValueError(f"the spool is full, {self.limit_bytes} bytes (TRACEKIT_SPOOL_BYTES)")
            self._opened(self._folder).append(content)
        except (OSError, ValueError) as error:
            self._note(f"the spool takes nothing: {error}")
            return False
        self.problem = None
        return True

    def _opened(self, folder: Path) -> SpoolFile:
        if self._file is None:
            self._file = SpoolFile.create(folder / f"{self._owner.process_id}{SUFFIX}", self._owner)
            logger.warning("the database cannot be written; recordings wait in %s", self._file.path)
        return self._file

    def write_back(self, write: Callable[[Batch], object]) -> bool:
        """Write what waits, for a moment; whether nothing waits any more. Raises StoreError as `write` does."""
        if self._file is None:
            return True
        try:
            if not write_back(self._file, write, until=time.monotonic() + _SLICE_S):
                return False
            self._file.remove()
            logger.warning("the spool is written to the database")
        except DamagedSpool as error:
            self._note(f"{error}; it is kept as {self._file.set_aside()}")
        except OSError as error:
            self._note(f"the spool cannot be read: {error}")
            return False
        self._file = None
        return True

    def let_go(self) -> None:
        """In a forked child: the file is the parent's."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _note(self, problem: str) -> None:
        self.problem = problem
        if self._pace.is_due():
            logger.error("%s", problem)


def write_back(file: SpoolFile, write: Callable[[Batch], object], until: float) -> bool:
    """Write the batches of a file in order, until a moment of the monotonic clock; whether all are written.

    Raises:
        StoreError: as `write` does; what was written is marked.
        DamagedSpool: the rest cannot be read.
    """
    for record in file.waiting():
        try:
            batch = decode_batch(record.content)
        except ValueError as error:
            raise DamagedSpool(f"{file.path}: {error}") from error
        write(batch)
        file.done(record)
        if time.monotonic() >= until:
            break
    return file.is_empty
