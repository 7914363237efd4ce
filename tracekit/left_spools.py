"""The spools that dead processes have left: written to the database by whoever finds them first."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from tracekit.errors import StoreError
from tracekit.liveness import ProcessRegistry
from tracekit.spool import SUFFIX, write_back
from tracekit.store.engine import Database
from tracekit.store.spool_file import DamagedSpool, SpoolFile
from tracekit.store.writes import BatchWriter

__all__ = ["LeftSpools"]

logger = logging.getLogger("tracekit.spool")

# Seconds between two looks.
_INTERVAL_S = 15.0

# Seconds of writing between two looks at whether to stop.
_SLICE_S = 1.0


class LeftSpools:
    """Looks into one folder, for one database."""

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder
        self._looked_at = -_INTERVAL_S

    def due(self) -> bool:
        """Whether it is time to look, and there is something to look at."""
        now = time.monotonic()
        if self._folder is None or now - self._looked_at < _INTERVAL_S:
            return False
        self._looked_at = now
        return next(self._folder.glob(f"*{SUFFIX}"), None) is not None

    def run(self, stop: threading.Event) -> None:
        """Write what all of them hold, until told to stop. What cannot be written now stays where it is."""
        try:
            for path in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder is not None else ():
                self._take(path, stop)
        except (StoreError, OSError) as error:
            logger.warning("a spool that was left could not be written: %s", error)

    def _take(self, path: Path, stop: threading.Event) -> None:
        try:
            file = SpoolFile.take_over(path)
        except FileNotFoundError:
            return
        except DamagedSpool as error:
            logger.error("%s; it is kept as %s", error, path.rename(f"{path}.damaged"))
            return
        if file is None or file.owner.database != self._database.name:
            if file is not None:
                file.close()
            return
        try:
            self._write(file, stop)
        except DamagedSpool as error:
            logger.error("%s; it is kept as %s", error, file.set_aside())
        except BaseException:
            file.close()
            raise

    def _write(self, file: SpoolFile, stop: threading.Event) -> None:
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
                    return
        finally:
            registry.leave()
        file.remove()
        logger.warning("what process %s had left in its spool is written", owner.process_id)
