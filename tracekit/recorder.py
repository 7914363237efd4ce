"""The recorder: the one object a host builds. It makes, joins and closes all the parts."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tracekit.background_job import BackgroundJob
from tracekit.budget import Budget
from tracekit.config import InitialSettings, Options, SystemSettings, load
from tracekit.daily_backup import DailyBackup
from tracekit.deciding import Deciding, Identify
from tracekit.disk_watch import DiskWatch
from tracekit.errors import ConfigurationError
from tracekit.fence import in_words, why_not_plain
from tracekit.health import DropHealth, Health, ProcessHealth
from tracekit.health_report import database_health, report, writer_health
from tracekit.housekeeping import Housekeeper
from tracekit.http_facts import header_map
from tracekit.ids import new_id
from tracekit.latency import RecentTimes
from tracekit.left_spools import LeftSpools
from tracekit.lifetime import follow
from tracekit.lineage import environment_lineage, inherited, lineage_of
from tracekit.liveness import ProcessRegistry
from tracekit.open_traces import OpenTraces
from tracekit.plugins import PluginHost
from tracekit.process_memory import resident_bytes
from tracekit.retention import RetentionSweeper
from tracekit.runs import Run
from tracekit.self_watch import SelfWatch
from tracekit.settings_store import SettingsStore
from tracekit.spool import Spool, spool_folder
from tracekit.store import Database, TraceStore
from tracekit.store.damage import damaged_files
from tracekit.store.sealing import seal
from tracekit.store.spool_file import SpoolOwner
from tracekit.store.writes import BatchWriter
from tracekit.texts_of_frames import texts_of_frames
from tracekit.trace import HttpHead, TaskTraceRecorder
from tracekit.types import EventType
from tracekit.version import VERSION
from tracekit.workspaces import Workspaces
from tracekit.write_counters import FlushResult
from tracekit.writer import Sink, Writer

__all__ = ["Recorder"]

logger = logging.getLogger("tracekit")

# Longest that an app's start-up waits for the recorder.
_START_S = 3.0


class Recorder:
    """Records what an app streams into a database, and answers for it.

    Nothing is opened until the first request, the lifespan's start or `start()`. It may be built before a fork: each
    process then has its own threads and connections.
    """

    def __init__(
        self,
        database_url: str | None = None,
        *,
        environment: str | None = None,
        settings: Mapping[str, Any] | None = None,
        plugins: Iterable[object] = (),
        identify: Identify | None = None,
        **options: Any,
    ) -> None:
        """Build a recorder.

        Args:
            database_url: `sqlite:///file.db` or `postgresql://…`; left out, `TRACEKIT_DATABASE_URL`.
            environment: `dev` or `prod`; left out, `TRACEKIT_ENVIRONMENT`.
            settings: first values of the runtime settings (`task_trace_*`), before `TASK_TRACE_*` variables. What
                an admin has changed since goes before both.
            plugins: further plugins, asked before the installed ones.
            identify: says who asks, from the ASGI scope; runs on the event loop and must return at once. Left out,
                plugins are asked.
            **options: the other fields of `tracekit.config.Options`.

        Raises:
            ConfigurationError: an argument is wrong. A wrong environment variable is logged and its default used.
        """
        why = why_not_plain(identify)
        if why is not None:
            raise ConfigurationError(f"identify {why}; it is asked on the event loop and must return at once")
        unknown = sorted(set(options) - set(Options.model_fields))
        if unknown:
            raise ConfigurationError(f"Recorder has no option {', '.join(unknown)}")
        self.options, problems = load(Options, database_url=database_url, environment=environment, **options)
        initial, more = load(InitialSettings, **dict(settings or {}))
        self.database = Database(self.options.database_url)
        self.workspaces = Workspaces(self.options.workspace_dir)
        self.plugins = PluginHost(plugins, plugins_dir=self.options.plugins_dir, off=self.options.plugins_left_out)
        read = partial(texts_of_frames, self.plugins)
        self.store = TraceStore(self.database, on_deleted=self.workspaces.discard, read_frames=read)
        self.problems = [*problems, *more, *self.plugins.problems]
        for problem in self.problems:
            logger.error("%s", problem)
        self.settings = SettingsStore(self.database, initial, on_change=self._settings_changed)
        self._identify = identify or self.plugins.identify_actor
        self._internal_errors = 0
        self._last_internal_error: str | None = None
        self._closed = False
        self._begin()
        follow(self)

    @classmethod
    def from_env(cls) -> Recorder:
        """A recorder configured by `TRACEKIT_*` and `TASK_TRACE_*` alone."""
        return cls()

    def _begin(self) -> None:
        """The parts that belong to one process."""
        self.process_id = new_id()
        self.budget = Budget(self.options.buffer_bytes)
        self._disk = DiskWatch(self.database, self.options.min_free_bytes)
        self._running = False
        self._registry = ProcessRegistry(
            self.database, self.process_id, role=self.options.role, version=self.options.version
        )
        self.deciding = Deciding(
            self.options.environment,
            self.settings,
            self.plugins,
            self._disk,
            identify=self._identify,
            is_settled=lambda: self._housekeeper.settled,
            on_fault=self.note_internal_error,
        )
        self._batches = BatchWriter(self.database, self.process_id, self._registry.claim)
        folder = spool_folder(self.options.spool_dir, self.database)
        owner = SpoolOwner.here(self.process_id, self.options.role, self.options.version, self.database.name)
        self._housekeeper = Housekeeper(self.database, self.settings, self._registry, *self._jobs(folder))
        self.writer = Writer(
            Sink(self._is_ready, self._batches.write, self._seal),
            self.budget,
            Spool(folder, self.options.spool_bytes, owner),
            self._open_traces(),
            settings=lambda: self.settings.current,
            on_fault=self.note_internal_error,
        )
        self.api_times = RecentTimes()
        """How long whole answers of the admin API took, as the admin notes it."""
        self._self_watch = SelfWatch(
            self.writer,
            self._disk,
            self._registry,
            api_times=self.api_times,
            memory_limit_bytes=self.options.memory_alert_bytes,
            waits=lambda: self.budget.waiting > 0 or self.writer.open_traces > 0,
            tell=self.plugins.alert,
        )
        self._housekeeper.each_second = self._watch
        self._housekeeper.counters = self._counters
        self._watching = True

    def _open_traces(self) -> OpenTraces:
        return OpenTraces(
            self.budget,
            self.plugins,
            settings=lambda: self.settings.current,
            decide=self.deciding.decide_late,
            process_id=self.process_id,
            heartbeat_us=int(self.options.span_heartbeat_s * 1_000_000),
            on_fault=self.note_internal_error,
        )

    def _jobs(self, spools: Path | None) -> tuple[Sequence[BackgroundJob], threading.Event]:
        """The work that goes on beside, and what tells it to stop."""
        stop = threading.Event()
        sweeper = RetentionSweeper(self.store, lambda: self.settings.current)
        left, daily = LeftSpools(self.database, spools), DailyBackup(self.database, self.options.daily_backups)
        jobs = (
            BackgroundJob("spools", left.due, lambda: left.run(stop)),
            BackgroundJob("retention", sweeper.due_now, lambda: sweeper.run(stop)),
            BackgroundJob("backup", daily.due, daily.run),
        )
        return jobs, stop

    # Life

    def start(self) -> None:
        """Start the threads, if they do not run. Returns at once; nothing is raised when the database is away."""
        if self._closed or self._running:
            return
        self._running = True
        try:
            self._housekeeper.start()
            self.writer.start()
        except RuntimeError as error:
            # No thread can be had: the process is at its limit, or the interpreter is going down.
            self._running, self._watching = False, False
            self.note_internal_error("start", error)

    async def started(self) -> None:
        """Start, and wait until the settings are read, 3 seconds at most: for an app's start-up."""
        self.start()
        await asyncio.to_thread(self._housekeeper.wait_ready, _START_S)

    async def drained(self) -> None:
        """Write what was captured, within the shutdown timeout: for an app's shut-down."""
        if self._running:
            await asyncio.to_thread(self.flush, self.options.shutdown_timeout)

    def flush(self, timeout: float = 5.0) -> FlushResult:
        """Wait until all that was captured so far is written, at most `timeout` seconds, and say what came of it."""
        complete = self._running and self.writer.flush(timeout)
        counters = self.writer.counters
        return FlushResult(
            complete=complete or (not self._running and not self.writer.open_traces),
            written=counters.events,
            failed=counters.failed_events,
            waiting_bytes=self.budget.waiting,
            held=self.writer.held,
        )

    def shutdown(self, timeout: float | None = None) -> FlushResult:
        """Write what there is, within `timeout` seconds (left out: `TRACEKIT_SHUTDOWN_TIMEOUT`), and stop for good.

        Traces whose stream is still open end as `process_died`. Called by itself when the interpreter exits.
        """
        if self._closed:
            return self.flush(0)
        deadline = time.monotonic() + (self.options.shutdown_timeout if timeout is None else timeout)
        self._closed, self._watching = True, False
        if self._running:
            if self.writer.stop(max(0.0, deadline - time.monotonic())):
                self.writer.spool.let_go()
            self._housekeeper.stop(max(0.1, deadline - time.monotonic()))
        self._running = False
        result = self.flush(0)
        self.database.close()
        return result

    def after_fork(self) -> None:
        """In a forked child: the parent's traces are its own; begin anew, with other threads and connections."""
        self.database.after_fork()
        self.writer.spool.let_go()
        if not self._closed:
            self._begin()

    # Capture

    @property
    def watching(self) -> bool:
        """Whether requests may be recorded at all. Starts the recorder if it does not run."""
        if not self._running:
            self.start()
        return self._watching

    def open_trace(self, *, http: HttpHead | None = None, outer: TaskTraceRecorder | None = None) -> TaskTraceRecorder:
        """A trace that is not yet known to be recorded."""
        trace = self._new_trace(http=http, outer=outer)
        if http is not None and self.options.trust_traceparent and trace.lineage is None:
            trace.lineage = lineage_of(header_map(http.headers))
        return trace

    def _new_trace(
        self, *, name: str | None = None, http: HttpHead | None = None, outer: TaskTraceRecorder | None
    ) -> TaskTraceRecorder:
        trace = TaskTraceRecorder(
            self.budget,
            self.writer.wake,
            environment=self.options.environment,
            classify=self.plugins.classify_error,
            name=name,
            http=http,
            outer=outer,
            workspaces=self.workspaces,
        )
        trace.lineage = inherited(outer) if outer is not None else None
        return trace

    def trace(
        self,
        name: str,
        *,
        session_id: str | None = None,
        role: str | None = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> Run:
        """Record what is no HTTP request: `with recorder.trace("nightly-import") as trace:`, or `async with`.

        It is recorded where the settings are on for this environment; `task_trace_admin_only` is about requests. It
        becomes a child of the trace around it, or of the one whose process started this one (`TRACEPARENT`). Its
        first event says which process it runs in; `role`, `instance_id` and `version` go before what the options say.
        """
        said = {"role": role, "instance_id": instance_id, "version": version}
        given = {name: str(value)[:128] for name, value in said.items() if value is not None}
        return Run(partial(self._open_run, str(name)[:256], session_id, given), self.note_internal_error)

    def _open_run(
        self, name: str, session_id: str | None, given: Mapping[str, str], outer: TaskTraceRecorder | None
    ) -> TaskTraceRecorder | None:
        if not self.watching:
            return None
        trace = self._new_trace(name=name, outer=outer)
        trace.lineage = trace.lineage or environment_lineage()
        trace.annotate(session_id=session_id)
        process = {"pid": os.getpid(), "host": socket.gethostname(), "instance_id": self.process_id}
        options = {"role": self.options.role, "version": self.options.version}
        trace.append_event(EventType.PROCESS_STARTED, {**process, **options, **given})
        trace.decision = self.deciding.decide_late(trace)
        if trace.decision is not None and not trace.decision.record:
            trace.discard()
            return None
        self.register(trace)
        return trace

    def register(self, trace: TaskTraceRecorder) -> None:
        """A trace is, or may be, recorded: its entries are to be written."""
        self.writer.add(trace)

    def note_internal_error(self, place: str, error: BaseException) -> None:
        """Count a fault of recording; log the first, and then each tenth power."""
        self._internal_errors += 1
        self._last_internal_error = f"{place}: {in_words(error)}"[:500]
        if str(self._internal_errors).strip("0") == "1":
            logger.error("recording failed in %s (%d so far)", place, self._internal_errors, exc_info=error)

    # Joints between the parts

    def _is_ready(self) -> bool:
        return self._housekeeper.schema_ready

    def _seal(self, trace_id: str) -> None:
        key = self._batches.key(trace_id)
        if key is not None:
            seal(self.database, key)

    def _settings_changed(self, old: SystemSettings, new: SystemSettings) -> None:
        self._update_watching()
        self.plugins.settings_changed(old, new)

    def _update_watching(self) -> None:
        """Before the settings are read every request is watched, since it may turn out to be one to record."""
        usable = not self._housekeeper.refused
        self._watching = usable and not self._closed and (self.deciding.is_allowed or not self._housekeeper.settled)

    def _watch(self) -> None:
        """Each second, on the housekeeping thread."""
        self._disk.look()
        self._update_watching()
        try:
            # Before the writer is started anew: that it died is to be seen.
            self._self_watch.look()
        finally:
            if not self.writer.alive:
                self.writer.start()

    def _counters(self) -> dict[str, Any]:
        counters = self.writer.counters
        return {
            "traces": counters.traces,
            "events": counters.events,
            "failed_events": counters.failed_events,
            "internal_errors": self._internal_errors,
            "waiting_bytes": self.budget.waiting,
            "open_traces": self.writer.open_traces,
            "alerts": self._self_watch.document(),
        }

    # Answering for it

    def health(self) -> Health:
        """How recording stands. Never raises; reads nothing but the disk."""
        keeper = self._housekeeper
        return report(
            recording=self._watching and keeper.schema_ready,
            database=database_health(
                self.database.dialect,
                ready=keeper.schema_ready,
                problem=keeper.problem,
                size_bytes=keeper.size_bytes(),
                damaged_files=damaged_files(self.database.path()),
                replaced_files=keeper.replaced_files,
            ),
            writer=writer_health(self.writer, self.budget),
            drops=DropHealth(
                refused_events=self.writer.counters.failed_events,
                orphaned_events=self.writer.counters.orphaned_events,
                internal_errors=self._internal_errors,
                last_internal_error=self._last_internal_error,
            ),
            disk=self._disk.health(),
            plugins=self.plugins.loaded,
            configuration_problems=self.problems,
            process=self._process_health(),
            api_ms=self._self_watch.api_ms,
            alerts=self._self_watch.raised,
        )

    def _process_health(self) -> ProcessHealth:
        options = self.options
        return ProcessHealth(
            self.process_id,
            self._housekeeper.pid,
            options.role,
            options.version,
            VERSION,
            options.environment,
            resident_bytes(),
            options.memory_alert_bytes,
        )
