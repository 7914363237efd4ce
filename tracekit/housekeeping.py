"""The second thread of a process: readies the database, follows the settings, beats, and cleans up."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tracekit.background_job import BackgroundJob
from tracekit.errors import SchemaError, StoreError
from tracekit.liveness import HEARTBEAT_S, ProcessRegistry
from tracekit.log_pace import LogPace
from tracekit.settings_store import SettingsStore
from tracekit.store import Database
from tracekit.store.damage import replace_damaged
from tracekit.store.file_identity import FileIdentity
from tracekit.store.schema import ensure

__all__ = ["Housekeeper"]

logger = logging.getLogger("tracekit.housekeeping")

# Settings changed by another process are in force after this, well within the 2 seconds promised.
_TURN_S = 1.0
# While the settings cannot be read, what the environment says holds after this.
_PATIENCE_S = 10.0
_SIZE_INTERVAL_S = 10.0


class Housekeeper:
    """Does one thing after the other, each fenced: a step that fails is tried again in its next turn."""

    def __init__(
        self,
        database: Database,
        settings: SettingsStore,
        registry: ProcessRegistry,
        jobs: Sequence[BackgroundJob],
        stop: threading.Event,
    ) -> None:
        """`jobs` are what may take longer than a turn; `stop` tells all of them to end."""
        self.schema_ready = False
        """The tables are there, in the form this version knows."""
        self.refused = False
        """The database is of another version; nothing is recorded into it."""
        self.problem: str | None = None
        """Why the database cannot be used at the moment."""
        self.pid = os.getpid()
        self.each_second: Callable[[], None] = lambda: None
        self.counters: Callable[[], dict[str, Any]] = dict
        self.replaced_files = 0
        """How often the database file was found to be another than the one that was open."""
        self._database = database
        self._file = FileIdentity(database.path())
        self._settings = settings
        self._registry = registry
        self._jobs = jobs
        self._entered = False
        self._stop = stop
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = time.monotonic()
        self._beat_at = 0.0
        self._pace = LogPace()
        self._size: tuple[float, int | None] = (-_SIZE_INTERVAL_S, None)

    @property
    def settled(self) -> bool:
        """The settings in force are known: read from the database, or given up waiting for it."""
        return self._settings.loaded or time.monotonic() - self._began > _PATIENCE_S

    def start(self) -> None:
        """Start the thread."""
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="tracekit-housekeeping", daemon=True)
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the database is ready and the settings are read, or both have failed once."""
        return self._ready.wait(timeout)

    def stop(self, timeout: float) -> None:
        """End the thread, and say in the database that this process ends in good order."""
        self._stop.set()
        deadline = time.monotonic() + timeout
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        for job in self._jobs:
            job.join(max(0.0, deadline - time.monotonic()))
        if self._entered:
            self._leave(max(0.1, deadline - time.monotonic()))

    def _leave(self, timeout: float) -> None:
        """The database may keep this waiting for longer than the process should last."""
        leaving = threading.Thread(target=self._fenced, args=("leave", self._registry.leave), daemon=True)
        try:
            leaving.start()
        except RuntimeError:
            # The interpreter goes down, and starts no thread any more.
            self._fenced("leave", self._registry.leave)
        else:
            leaving.join(timeout)

    def size_bytes(self) -> int | None:
        """What the recordings take on disk, asked for at most every 10 seconds."""
        measured_at, size = self._size
        if self.schema_ready and time.monotonic() - measured_at > _SIZE_INTERVAL_S:
            try:
                size = self._database.size_bytes()
            except StoreError:
                size = None
            self._size = (time.monotonic(), size)
        return size

    def _run(self) -> None:
        while not self._stop.is_set():
            self._turn()
            self._ready.set()
            self._stop.wait(_TURN_S)

    def _turn(self) -> None:
        if self._database.looks_damaged:
            self._fenced("damage", self._replace_damaged)
        if self.schema_ready and self._file.is_another():
            self._start_anew()
        if not self.schema_ready:
            self._fenced("schema", self._ensure_schema)
        if self.schema_ready:
            self._fenced("settings", self._settings.refresh)
            self._fenced("heartbeat", self._keep_alive)
            for job in self._jobs:
                self._fenced(job.name, job.turn)
        self._fenced("watch", self.each_second)

    def _replace_damaged(self) -> None:
        """Look whether the file is damaged indeed. If so, it was replaced, which is noticed as for any other file."""
        self._database.looks_damaged = False
        replace_damaged(self._database)

    def _ensure_schema(self) -> None:
        ensure(self._database)
        self._file.note()
        self.schema_ready, self.refused = True, False

    def _start_anew(self) -> None:
        """The database file was deleted or replaced: let go of it, and begin again with what stands there now."""
        self.replaced_files += 1
        self.problem = "the database file was deleted or replaced; recording goes on in the one that stands there now"
        logger.error("%s: %s", self._database.path(), self.problem)
        self.schema_ready = self._entered = False
        self._database.close()

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if self._entered and now - self._beat_at < HEARTBEAT_S:
            return
        if not self._entered:
            self._registry.enter()
            self._entered = True
        else:
            self._registry.beat(self.counters())
        self._beat_at = now
        self._registry.sweep()

    def _fenced(self, step: str, action: Callable[[], object]) -> None:
        try:
            action()
        except SchemaError as error:
            self.refused, self.problem = True, str(error)
            self._log(step, error)
        except StoreError as error:
            self.problem = str(error)
            self._log(step, error)
        except Exception as error:  # noqa: BLE001 - one broken step never stops the others
            self._log(step, error)
        else:
            if step in ("schema", "heartbeat"):
                self.problem = None

    def _log(self, step: str, error: Exception) -> None:
        if self._pace.is_due(step):
            known = isinstance(error, StoreError)
            logger.error("%s: %s", step, error, exc_info=None if known else error)
