"""Every hook of tracekit. This file is the reference: what is not here cannot be hooked.

A plugin is a module or an object with some of these functions, marked with `tracekit.hookimpl`. It may leave out
arguments that it does not need. What it raises is fenced: counted, logged, named on the health page, and the other
plugins go on; so is an answer of another type than the hook's. Hooks are plain functions: a plugin with a coroutine
or a generator among them is refused.

Threads: "event loop" hooks run inside a request and must return at once. "Writer thread" hooks may take their time,
but while they do nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer
    from starlette.routing import BaseRoute

    from tracekit.alerts import Alert
    from tracekit.config import SystemSettings
    from tracekit.decoding import Claim, Frame, StreamHead
    from tracekit.exporting import Exporter
    from tracekit.reasons import Reason
    from tracekit.recorder import Recorder
    from tracekit.redaction import Redactor
    from tracekit.requests import RequestDescription, RequestInfo
    from tracekit.trace import TraceInfo
    from tracekit.transcript import ToolCall
    from tracekit.types import Actor, Decision, Scope

__all__ = [
    "PROJECT",
    "hookimpl",
    "hookspec",
    "tracekit_admin_routes",
    "tracekit_alert",
    "tracekit_before_store",
    "tracekit_classify_error",
    "tracekit_cli_commands",
    "tracekit_configuration_problems",
    "tracekit_describe_request",
    "tracekit_exporters",
    "tracekit_identify_actor",
    "tracekit_settings_changed",
    "tracekit_should_record",
    "tracekit_stream_decoder",
    "tracekit_tool_call_failed",
    "tracekit_tool_call_finished",
    "tracekit_tool_call_started",
    "tracekit_trace_finished",
    "tracekit_trace_started",
]

PROJECT = "tracekit"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tracekit_describe_request(request: RequestInfo) -> RequestDescription | None:
    """Which conversation does this request belong to, and what does it ask?

    Fires once for each recorded request, on the writer thread. The answers of all plugins are laid over one another:
    the last registered goes first, and a field it leaves None is taken from the next. None: nothing to say.
    """


@hookspec
def tracekit_identify_actor(scope: Scope) -> Actor | None:
    """Who is asking?

    Fires on the event loop for requests that may be recorded, when the request body is known and, if that gave no
    admin, again when the response starts (the app's own authentication may have filled `scope` by then). The first
    answer that is not None counts. A `Recorder` with an `identify` function asks that instead.
    """


@hookspec
def tracekit_should_record(scope: Scope, actor: Actor | None, decision: Decision) -> Decision | None:
    """Change the decision on one request.

    Fires on the event loop after the settings have said yes, so a plugin can only narrow what is recorded. The first
    answer that is not None counts; its `why` is stored. None: leave it as it is. A plugin that raises, or answers with
    what is no `Decision`, has said no: it may stand for a consent.
    """


@hookspec
def tracekit_trace_started(trace: TraceInfo) -> None:
    """A trace is about to be stored for the first time. Fires on the writer thread; the result is ignored."""


@hookspec
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """The first frames of a recorded stream are there: is it in a format you can decode?

    Fires on the writer thread, first with one frame, then again with more (up to 16, keepalives left out) while
    nobody is sure; `frames` is empty only for a stream that ended without any. The claim with the greatest
    `certainty` wins. None: not mine.
    """


@hookspec
def tracekit_before_store(trace: TraceInfo) -> Redactor | None:
    """Who masks what this trace stores?

    Fires once for each trace, on the writer thread, before anything of it is stored. Every redactor that is returned
    sees every value, one after the other. A redactor that raises makes the value be withheld: nothing is stored in
    its place but its length. None: this plugin masks nothing.
    """


@hookspec
def tracekit_tool_call_started(trace: TraceInfo, call: ToolCall) -> None:
    """A tool call began, seen on the wire or said by the app. Writer thread; the result is ignored."""


@hookspec
def tracekit_tool_call_finished(trace: TraceInfo, call: ToolCall) -> Mapping[str, object] | None:
    """A tool call ended well: its arguments are complete and, where the stream or the app has it, its result is known.

    Writer thread. A mapping that is returned is stored as `artifact.added` of the call.
    """


@hookspec
def tracekit_tool_call_failed(trace: TraceInfo, call: ToolCall) -> None:
    """A tool call ended with an error. Writer thread; the result is ignored."""


@hookspec
def tracekit_classify_error(error: BaseException | str, http_status: int | None) -> Reason | None:
    """Which reason code does this error have?

    `error` is the exception, or its text where only that is known. Fires on the writer thread for traces, on the
    thread that ends it for spans. The first answer that is not None counts; nobody's: UNEXPECTED_ERROR.
    """


@hookspec
def tracekit_trace_finished(trace: TraceInfo) -> None:
    """A trace ended and is stored to the last event. Writer thread; the result is ignored."""


@hookspec
def tracekit_exporters() -> Sequence[Exporter] | None:
    """The export formats this plugin adds. Fires once, when the plugins are loaded."""


@hookspec
def tracekit_configuration_problems() -> Sequence[str] | None:
    """What is wrong with this plugin's own configuration, a sentence each, which names the variable?

    Fires once, when the plugins are loaded. Health, `tracekit doctor` and `tracekit plugins` show it, and it is logged.
    The plugin goes on with its defaults, or does nothing. None: nothing is wrong.
    """


@hookspec
def tracekit_settings_changed(old: SystemSettings, new: SystemSettings) -> None:
    """The runtime settings changed, here or in another process. Housekeeping thread; the result is ignored."""


@hookspec
def tracekit_alert(alert: Alert) -> None:
    """An alert of this process was raised, or is over: then `alert.cleared_at` is set.

    Fires once for each turn on the housekeeping thread, after it was logged; the result is ignored. Return at once:
    meanwhile nobody sees to settings, heartbeats and the writer. What takes longer belongs on a thread of its own.
    """


@hookspec
def tracekit_admin_routes(recorder: Recorder) -> Sequence[BaseRoute] | None:
    """Further routes of the admin app, behind the same access check. Fires once, when the admin app is built."""


@hookspec
def tracekit_cli_commands(cli: typer.Typer) -> None:
    """Add commands to the `tracekit` command line. Fires when the command line starts."""
