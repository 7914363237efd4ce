"""The plugin host: loads plugins, holds them to the hook specifications, and calls them behind a fence.

pluggy stops a call at the first implementation that raises; here each implementation is called on its own, so that
one broken plugin costs the others nothing. No other module touches pluggy's hooks.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from inspect import isawaitable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from starlette.routing import BaseRoute

from tracekit import hookspecs
from tracekit.decoding import Claim, Frame, StreamHead
from tracekit.errors import PluginError
from tracekit.exporting import Exporter
from tracekit.fence import Fence, in_words, pass_interrupt, why_not_plain, wrong_answer
from tracekit.reasons import REASONS, Reason
from tracekit.requests import RequestDescription, RequestInfo
from tracekit.transcript import ToolCall
from tracekit.types import Actor, Decision, Scope

if TYPE_CHECKING:
    import typer

    from tracekit.alerts import Alert
    from tracekit.config import SystemSettings
    from tracekit.recorder import Recorder
    from tracekit.redaction import Redactor
    from tracekit.trace import TraceInfo

__all__ = ["SWITCHED_OFF", "PluginFacts", "PluginHost"]

logger = logging.getLogger("tracekit.plugins")

_T = TypeVar("_T")

SWITCHED_OFF = "switched off"
"""Stands as the error of a plugin that was not loaded because the host does not want it."""

_FAILED = object()


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """What is known of one plugin. `error` says why it is not in use; `faults` counts what its hooks raised."""

    name: str
    origin: str
    version: str | None = None
    hooks: tuple[str, ...] = ()
    error: str | None = None
    faults: int = 0
    last_fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """One implementation of one hook, ready to be called with the arguments it asks for."""

    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]


class PluginHost:
    """All plugins of one recorder, with a typed method for each hook. Safe to use from several threads."""

    def __init__(
        self, plugins: Iterable[object] = (), *, plugins_dir: Path | None = None, off: Iterable[str] = ()
    ) -> None:
        """Load the installed plugins (entry-point group `tracekit`), those of `plugins_dir`, then `plugins`.

        Later ones are asked first. `off` names plugins that are not loaded.

        Raises:
            PluginError: one of `plugins` implements an unknown hook or asks for an argument the hook does not have.
        """
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._facts: dict[str, PluginFacts] = {}
        self.fence = Fence()
        """Stands around every call of a plugin, also of what a plugin has made: decoders, redactors."""
        self._off = frozenset(off)
        self._load_installed()
        if plugins_dir is not None:
            self._load_folder(plugins_dir)
        for plugin in plugins:
            self._register(plugin, _name_of(plugin), "code")
        self._calls = {
            name: tuple(self._implementations(name)) for name in hookspecs.__all__ if name.startswith("tracekit_")
        }
        self._exporters = {exporter.name: exporter for exporter in self._all_exporters()}
        self.problems = [*self._unknown_names(), *self._configuration_problems()]
        """What is wrong with the configuration of plugins, a sentence each."""

    @classmethod
    def load(cls, plugins_dir: Path | None = None, off: Iterable[str] = ()) -> PluginHost:
        """The host with the installed plugins and those of a folder."""
        return cls(plugins_dir=plugins_dir, off=off)

    # Loading

    def _unknown_names(self) -> Iterator[str]:
        for name in sorted(self._off - set(self._facts)):
            yield f"TRACEKIT_PLUGINS_OFF: no plugin is called {name}, so that none is switched off by it"

    def _configuration_problems(self) -> Iterator[str]:
        for plugin, problems in self._members("tracekit_configuration_problems", str):
            yield from (f"{problem} (plugin {plugin})" for problem in problems)

    def _load_installed(self) -> None:
        for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name):
            version = point.dist.version if point.dist else None
            origin = point.dist.name if point.dist else "installed"
            self._try(point.name, origin, version, point.load)

    def _load_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._refuse(PluginFacts(str(folder), "folder"), "no such folder")
            return
        for path in sorted(folder.glob("*.py")):
            self._try(path.stem, str(path), None, partial(_load_file, path))

    def _try(self, name: str, origin: str, version: str | None, load: Callable[[], object]) -> None:
        """Load and register a plugin that nobody named in code: its faults are told, not raised."""
        if name in self._off:
            self._facts[name] = PluginFacts(name, origin, version, error=SWITCHED_OFF)
            return
        try:
            self._register(load(), name, origin, version)
        except BaseException as error:  # noqa: BLE001 - whatever a plugin's import does, the app goes on
            pass_interrupt(error)
            self._refuse(PluginFacts(name, origin, version), in_words(error))

    def _refuse(self, facts: PluginFacts, error: str) -> None:
        self._facts[facts.name] = replace(facts, error=error)
        logger.error("plugin %s (%s) is not in use: %s", facts.name, facts.origin, error)

    def _register(self, plugin: object, name: str, origin: str, version: str | None = None) -> None:
        name = name if name not in self._facts else f"{name}#{len(self._facts)}"
        try:
            self._manager.register(plugin, name=name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"plugin {name}: {error}") from error
        callers = self._manager.get_hookcallers(plugin) or []
        problem = next(_misuses(plugin, callers), None)
        if problem is not None:
            self._manager.unregister(plugin)
            raise PluginError(f"plugin {name} implements {problem}")
        self._facts[name] = PluginFacts(name, origin, version, tuple(sorted(caller.name for caller in callers)))

    def _implementations(self, hook: str) -> Iterator[_Call]:
        caller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            yield _Call(implementation.plugin_name, implementation.function, tuple(implementation.argnames))

    # Calling

    def _each(self, hook: str, arguments: dict[str, Any], failed: object = None) -> Iterator[tuple[str, Any]]:
        """The plugins that answer, from the last registered to the first, with their answers. `failed` stands for
        the answer of one that raises."""
        for call in self._calls[hook]:
            answer = self.fence.call(call.plugin, hook, _bound(call, arguments), failed)
            if answer is not None:
                yield call.plugin, answer

    def _ask(self, hook: str, kind: type[_T], **arguments: Any) -> Iterator[tuple[str, _T]]:
        """The plugins whose answers are of the kind that is asked for. Another answer is a fault."""
        for plugin, answer in self._each(hook, arguments):
            if self._is_a(kind, plugin, hook, answer):
                yield plugin, answer

    def _first(self, hook: str, kind: type[_T], **arguments: Any) -> _T | None:
        return next((answer for _, answer in self._ask(hook, kind, **arguments)), None)

    def _members(self, hook: str, kind: type[_T], **arguments: Any) -> list[tuple[str, list[_T]]]:
        """For a hook that answers with several of a kind: the plugins with theirs."""
        return [
            (plugin, [member for member in answer if self._is_a(kind, plugin, hook, member)])
            for plugin, answer in self._each(hook, arguments)
            if self._is_a(Sequence, plugin, hook, answer)
        ]

    def _is_a(self, kind: type[Any], plugin: str, hook: str, answer: object) -> bool:
        # A text is a sequence of texts to Python, and one answer to whoever gives it.
        fits = isinstance(answer, kind) and not (kind is Sequence and isinstance(answer, str))
        if not fits:
            self.fence.note(plugin, hook, wrong_answer(answer, kind.__name__))
        return fits

    def _tell(self, hook: str, **arguments: Any) -> None:
        for plugin, answer in self._each(hook, arguments):
            if isawaitable(answer):
                self.fence.note(plugin, hook, wrong_answer(answer, "None, and nobody awaits it"))

    @property
    def loaded(self) -> list[PluginFacts]:
        """Every plugin that was found, also those that could not be loaded."""
        return [
            replace(facts, faults=self.fence.faults[name], last_fault=self.fence.last_fault.get(name))
            for name, facts in self._facts.items()
        ]

    @property
    def decodes(self) -> bool:
        """Whether any plugin decodes streams."""
        return bool(self._calls["tracekit_stream_decoder"])

    # The hooks, as hookspecs.py describes them

    def describe_request(self, request: RequestInfo) -> RequestDescription:
        """What all plugins together know of a request."""
        merged = RequestDescription()
        for _, answer in self._ask("tracekit_describe_request", RequestDescription, request=request):
            merged = _laid_over(merged, answer)
        return merged

    def identify_actor(self, scope: Scope) -> Actor | None:
        """Who is asking, as the first plugin that knows says."""
        return self._first("tracekit_identify_actor", Actor, scope=scope)

    def should_record(self, scope: Scope, actor: Actor | None, decision: Decision) -> Decision:
        """The decision, as plugins have narrowed it. A plugin that fails has said no: it may stand for a consent."""
        hook, refused = "tracekit_should_record", Decision(False, "plugin_failed")
        arguments = {"scope": scope, "actor": actor, "decision": decision}
        for plugin, answer in self._each(hook, arguments, failed=refused):
            return answer if self._is_a(Decision, plugin, hook, answer) else refused
        return decision

    def trace_started(self, trace: TraceInfo) -> None:
        """Tell that a trace is about to be stored for the first time."""
        self._tell("tracekit_trace_started", trace=trace)

    def trace_finished(self, trace: TraceInfo) -> None:
        """Tell that a trace is stored to its last event."""
        self._tell("tracekit_trace_finished", trace=trace)

    def claims(self, head: StreamHead, frames: Sequence[Frame]) -> list[tuple[str, Claim]]:
        """The plugins that can decode a stream, the surest first."""
        claims = self._ask("tracekit_stream_decoder", Claim, head=head, frames=frames)
        return sorted(claims, key=lambda pair: -pair[1].certainty)

    def redactors(self, trace: TraceInfo) -> list[tuple[str, Redactor | None]]:
        """Who masks what a trace stores, by plugin; None for a plugin that failed to say: all must be withheld."""
        answers = self._each("tracekit_before_store", {"trace": trace}, failed=_FAILED)
        return [(plugin, None if answer is _FAILED else answer) for plugin, answer in answers]

    def tool_call_started(self, trace: TraceInfo, call: ToolCall) -> None:
        """Tell that a tool call began."""
        self._tell("tracekit_tool_call_started", trace=trace, call=call)

    def tool_call_finished(self, trace: TraceInfo, call: ToolCall) -> list[dict[str, Any]]:
        """Tell that a tool call ended well; the artifacts that plugins add to it."""
        hook = "tracekit_tool_call_finished"
        answers = self._each(hook, {"trace": trace, "call": call})
        return [dict(answer) for plugin, answer in answers if self._is_a(Mapping, plugin, hook, answer)]

    def tool_call_failed(self, trace: TraceInfo, call: ToolCall) -> None:
        """Tell that a tool call ended with an error."""
        self._tell("tracekit_tool_call_failed", trace=trace, call=call)

    def classify_error(self, error: BaseException | str, http_status: int | None = None) -> Reason:
        """The reason code of an error."""
        found = self._first("tracekit_classify_error", Reason, error=error, http_status=http_status)
        return found or REASONS["UNEXPECTED_ERROR"]

    def exporters(self) -> dict[str, Exporter]:
        """The export formats by name."""
        return dict(self._exporters)

    def _all_exporters(self) -> Iterator[Exporter]:
        for _, exporters in reversed(self._members("tracekit_exporters", Exporter)):
            yield from exporters

    def settings_changed(self, old: SystemSettings, new: SystemSettings) -> None:
        """Tell that the runtime settings changed."""
        self._tell("tracekit_settings_changed", old=old, new=new)

    def alert(self, alert: Alert) -> None:
        """Tell that an alert was raised, or is over."""
        self._tell("tracekit_alert", alert=alert)

    def admin_routes(self, recorder: Recorder) -> list[BaseRoute]:
        """The routes that plugins add to the admin app."""
        found = self._members("tracekit_admin_routes", BaseRoute, recorder=recorder)
        return [route for _, routes in found for route in routes]

    def add_cli_commands(self, cli: typer.Typer) -> None:
        """Let plugins add their commands."""
        self._tell("tracekit_cli_commands", cli=cli)


def _bound(call: _Call, arguments: dict[str, Any]) -> Callable[[], Any]:
    return lambda: call.function(*[arguments[name] for name in call.arguments])


def _misuses(plugin: object, callers: Iterable[pluggy.HookCaller]) -> Iterator[str]:
    """What is wrong with a plugin's hooks, in words that follow "implements"."""
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    if unknown:
        yield f"{', '.join(unknown)}: tracekit has no such hook"
    for caller in callers:
        function = next(found.function for found in caller.get_hookimpls() if found.plugin is plugin)
        why = why_not_plain(function)
        if why is not None:
            yield f"{caller.name}, which {why}: a hook is a plain function"


def _laid_over(upper: RequestDescription, lower: RequestDescription) -> RequestDescription:
    fields = ("session_id", "message_id", "client_message_id", "model", "prompt")
    chosen = {
        name: getattr(upper, name) if getattr(upper, name) is not None else getattr(lower, name) for name in fields
    }
    return RequestDescription(**chosen, metadata={**lower.metadata, **upper.metadata})


def _name_of(plugin: object) -> str:
    return plugin.__name__ if isinstance(plugin, ModuleType | type) else type(plugin).__name__


def _load_file(path: Path) -> ModuleType:
    name = f"tracekit_plugin_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
