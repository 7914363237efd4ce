"""The spools that dead processes have left: written to the database by whoever finds them first."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from tracekit.liveness import ProcessRegistry
from tracekit.spool import SUFFIX, write_back
from tracekit.store.engine import Database
from tracekit.store.spool_file import DamagedSpool, SpoolFile
from tracekit.store.writes import BatchWriter

__all__ = ["LeftSpools"]

logger = logging.getLogger("tracekit.spool")

# Seconds of writing between two looks at whether to stop.
_SLICE_S = 1.0


class LeftSpools:
    """Looks into one folder, for one database."""

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder

    def any(self) -> bool:
        """Whether there is one that nobody has, or seems to be."""
        return self._folder is not None and next(self._folder.glob(f"*{SUFFIX}"), None) is not None

    def write_all(self, stop: threading.Event) -> int:
        """Write what all of them hold, until told to stop; how many were written to their end.

        Raises:
            StoreError: the database cannot be written now; what is left stays where it is.
            OSError: the folder or a file cannot be read.
        """
        written = 0
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder is not None else ():
            written += self._take(path, stop)
        return written

    def _take(self, path: Path, stop: threading.Event) -> bool:
        try:
            file = SpoolFile.take_over(path)
        except FileNotFoundError:
            return False
        except DamagedSpool as error:
            logger.error("%s; it is kept as %s", error, path.rename(f"{path}.damaged"))
            return False
        if file is None or file.owner.database != self._database.name:
            if file is not None:
                file.close()
            return False
        try:
            return self._write(file, stop)
        except DamagedSpool as error:
            logger.error("%s; it is kept as %s", error, file.set_aside())
            return False
        except BaseException:
            file.close()
            raise

    def _write(self, file: SpoolFile, stop: threading.Event) -> bool:
        """As if its process wrote once more: that takes back traces that were ended for it meanwhile, and what then
        still runs is ended anew by the next look at dead processes."""
        owner = file.owner
        registry = ProcessRegistry(
            self._database, owner.process_id, role=owner.role, version=owner.version, host=owner.host, pid=owner.pid
        )
        batches = BatchWriter(self._database, owner.process_id, registry.claim)
        try:
            while not write_back(file, batches.write, time.monotonic() + _SLICE_S):
                if stop.is_set():
                    file.close()
                    return False
        finally:
            registry.leave()
        file.remove()
        logger.warning("what process %s had left in its spool is written", owner.process_id)
        return True
