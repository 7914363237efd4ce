"""Whether a trace is recorded: the settings are asked, the plugins, the host's own function, and the disk."""

from __future__ import annotations

from collections.abc import Callable

from tracekit.disk_watch import DiskWatch
from tracekit.fence import pass_interrupt, wrong_answer
from tracekit.plugins import PluginHost
from tracekit.policy import allows, should_enable_task_trace
from tracekit.settings_store import SettingsStore
from tracekit.trace import TaskTraceRecorder
from tracekit.types import Actor, Decision, Scope

__all__ = ["Deciding", "Identify"]

Identify = Callable[[Scope], Actor | None]

_DISK_SHORT = "disk_short"


class Deciding:
    """Decides for one process. Safe to use from several threads."""

    def __init__(
        self,
        environment: str,
        settings: SettingsStore,
        plugins: PluginHost,
        disk: DiskWatch,
        *,
        identify: Identify,
        is_settled: Callable[[], bool],
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        """`is_settled`: the settings in force are known."""
        self._environment = environment
        self._settings = settings
        self._plugins = plugins
        self._disk = disk
        self._identify = identify
        self._is_settled = is_settled
        self._on_fault = on_fault

    @property
    def is_allowed(self) -> bool:
        """Whether the settings let anything be recorded here."""
        return allows(self._settings.current, self._environment)

    def decide(self, scope: Scope, trace: TaskTraceRecorder, requested: bool | None) -> Decision | None:
        """Whether a request is recorded. None: the settings are not read yet; `decide_late` says when they are."""
        trace.actor = self._actor(scope)
        if not self._is_settled():
            if trace.http is not None:
                trace.http.scope = scope
            return None
        return self._of_request(scope, trace, requested)

    def decide_late(self, trace: TaskTraceRecorder) -> Decision | None:
        """Whether a run, or a request that came before the settings were read, is recorded. None: still not known."""
        if not self._is_settled():
            return None
        decision = self._now(trace)
        if not decision.record:
            self.declined(decision)
        return decision

    def declined(self, decision: Decision) -> None:
        """A trace is not recorded, and will not be."""
        if decision.why == _DISK_SHORT:
            self._disk.skipped += 1

    def _now(self, trace: TaskTraceRecorder) -> Decision:
        if trace.http is None:
            return self._if_there_is_room(Decision(self.is_allowed, "run"))
        requested = {"true": True, "false": False}.get(trace.notes.pop("requested", ""))
        scope, trace.http.scope = trace.http.scope or {}, None
        return self._of_request(scope, trace, requested)

    def _of_request(self, scope: Scope, trace: TaskTraceRecorder, requested: bool | None) -> Decision:
        decision = should_enable_task_trace(self._settings.current, self._environment, trace.actor, requested)
        if decision.record:
            decision = self._plugins.should_record(scope, trace.actor, decision)
        return self._if_there_is_room(decision)

    def _if_there_is_room(self, decision: Decision) -> Decision:
        return Decision(False, _DISK_SHORT) if decision.record and self._disk.short else decision

    def _actor(self, scope: Scope) -> Actor | None:
        """Who asks; nobody, and so no admin, where the function of the host fails."""
        try:
            actor = self._identify(scope)
            if actor is not None and not isinstance(actor, Actor):
                raise wrong_answer(actor, "Actor")
        except BaseException as error:  # noqa: BLE001 - recording never reaches the chat
            pass_interrupt(error)
            self._on_fault("identify", error)
            return None
        return actor
