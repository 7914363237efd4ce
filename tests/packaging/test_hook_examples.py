"""The examples of docs/hooks.md are plugins that work: each is loaded from a file, and its hook fires."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tracekit import Actor, Recorder, hookspecs
from tracekit.alerts import Alert
from tracekit.config import SystemSettings
from tracekit.decoding import Frame, StreamHead, Text
from tracekit.plugins import PluginHost
from tracekit.requests import RequestInfo
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall
from tracekit.types import Decision, Framing

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
EXAMPLES = dict(
    re.findall(r"^### `(tracekit_\w+)`$.*?^```python$\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
)
HOOKS = [name for name in hookspecs.__all__ if name.startswith("tracekit_")]
RECORD = Decision(True, "requested")


@pytest.fixture
def host(tmp_path: Path, request: pytest.FixtureRequest) -> PluginHost:
    """A host with the example of one hook, loaded from a folder as a user would."""
    (tmp_path / "example.py").write_text(EXAMPLES[request.param], encoding="utf-8")
    return PluginHost(plugins_dir=tmp_path)


def example_of(hook: str) -> Callable[..., Any]:
    return pytest.mark.parametrize("host", [hook], indirect=True, ids=[hook])


def info(**facts: Any) -> tuple[TraceInfo, list[dict[str, Any]]]:
    """A trace as plugins see it, and what they log to it."""
    said: list[dict[str, Any]] = []
    trace = TraceInfo("0" * 32, "dev", lambda event_type, **payload: said.append(payload))
    for name, value in facts.items():
        setattr(trace, name, value)
    return trace, said


def request_with(headers: dict[str, str]) -> RequestInfo:
    return RequestInfo("POST", "/chat", "", headers, b"", 0, None)


@pytest.mark.parametrize("host", HOOKS, indirect=True)
def test_every_hook_has_an_example_that_loads(host: PluginHost, request: pytest.FixtureRequest) -> None:
    """Each example is taken as a plugin that implements the hook it stands under."""
    example = next(facts for facts in host.loaded if facts.name == "example")
    assert (example.error, example.hooks) == (None, (request.node.callspec.params["host"],))


@example_of("tracekit_describe_request")
def test_the_request_example_names_the_conversation(host: PluginHost) -> None:
    """A header becomes the session id and a fact in the metadata."""
    description = host.describe_request(request_with({"x-ticket": "T-7"}))
    assert (description.session_id, description.metadata["ticket"]) == ("T-7", "T-7")


@example_of("tracekit_identify_actor")
def test_the_actor_example_reads_the_user_of_the_scope(host: PluginHost) -> None:
    """Without a user it has nothing to say."""
    user = type("User", (), {"username": "ann", "is_staff": True})()
    assert host.identify_actor({"type": "http", "user": user}) == Actor("ann", is_admin=True)
    assert host.identify_actor({"type": "http"}) is None


@example_of("tracekit_should_record")
def test_the_decision_example_narrows(host: PluginHost) -> None:
    """Private paths are not recorded; for others the decision stays."""
    assert host.should_record({"path": "/private/x"}, None, RECORD) == Decision(False, "private path")
    assert host.should_record({"path": "/chat"}, None, RECORD) is RECORD


@example_of("tracekit_trace_started")
def test_the_start_example_logs_to_the_trace(host: PluginHost) -> None:
    """What a plugin logs stands in the trace."""
    trace, said = info()
    host.trace_started(trace)
    assert {"message": "recording began", "environment": "dev"} in said


@example_of("tracekit_trace_finished")
def test_the_end_example_warns_of_failures(host: PluginHost, caplog: pytest.LogCaptureFixture) -> None:
    """Only a failed trace is worth a warning."""
    host.trace_finished(info(status="completed")[0])
    host.trace_finished(info(status="failed", end_reason="app_error")[0])
    assert [record.getMessage() for record in caplog.records if record.name == "chat"] == [
        f"trace {'0' * 32} failed: app_error"
    ]


@example_of("tracekit_classify_error")
def test_the_error_example_adds_a_code(host: PluginHost) -> None:
    """A plugin's own code goes before the built-in ones."""
    assert host.classify_error(RuntimeError("quota exceeded")).code == "QUOTA_USED_UP"
    assert host.classify_error("too many requests", 429).code == "RATE_LIMITED"


@example_of("tracekit_stream_decoder")
def test_the_decoder_example_decodes(host: PluginHost) -> None:
    """Its claim is the surest, and its decoder gives the text."""
    frame = Frame(b"event: shout\ndata: HELLO\n\n")
    plugin, claim = host.claims(StreamHead("/chat", 200, Framing.SSE), [frame])[0]
    assert plugin == "example"
    assert list(claim.decoder().feed(frame)) == [Text("HELLO")]


@example_of("tracekit_before_store")
def test_the_redactor_example_masks(host: PluginHost) -> None:
    """The value of a key is masked wherever it stands."""
    redactor = dict(host.redactors(info()[0]))["example"]
    assert redactor is not None
    assert redactor.value([{"staff_number": 7, "name": "Ann"}]) == [{"staff_number": "***", "name": "Ann"}]


@example_of("tracekit_tool_call_started")
def test_the_tool_start_example_logs(host: PluginHost) -> None:
    """The call's name stands in the trace."""
    trace, said = info()
    host.tool_call_started(trace, ToolCall(name="read_file"))
    assert {"message": "tool call", "tool": "read_file"} in said


@example_of("tracekit_tool_call_finished")
def test_the_tool_end_example_gives_an_artifact(host: PluginHost) -> None:
    """The file that was read becomes an artifact of the call."""
    call = ToolCall(name="read_file", arguments={"path": "notes.txt"})
    assert {"kind": "file", "path": "notes.txt"} in host.tool_call_finished(info()[0], call)


@example_of("tracekit_tool_call_failed")
def test_the_tool_failure_example_logs(host: PluginHost) -> None:
    """The failure stands in the trace."""
    trace, said = info()
    host.tool_call_failed(trace, ToolCall(name="read_file", result="no such file", is_error=True))
    assert {"message": "tool failed", "tool": "read_file", "result": "no such file"} in said


@example_of("tracekit_exporters")
def test_the_exporter_example_adds_a_format(host: PluginHost) -> None:
    """The format stands beside the bundled ones."""
    assert host.exporters()["answer"].media_type.startswith("text/plain")


@example_of("tracekit_settings_changed")
def test_the_settings_example_warns(host: PluginHost, caplog: pytest.LogCaptureFixture) -> None:
    """Switching recording on is worth a warning."""
    caplog.set_level(logging.WARNING)
    host.settings_changed(SystemSettings(), SystemSettings(task_trace_enabled=True))
    assert [record.getMessage() for record in caplog.records if record.name == "chat"] == ["recording is now on"]


@example_of("tracekit_alert")
def test_the_alert_example_calls_for_help(host: PluginHost, caplog: pytest.LogCaptureFixture) -> None:
    """When the alert is raised, and not when it is over."""
    raised = Alert("disk_short", "The disk is nearly full.", "1 MB free", raised_at=1)
    host.alert(raised)
    host.alert(replace(raised, cleared_at=2))
    told = [record.getMessage() for record in caplog.records if record.name == "pager"]
    assert told == ["The disk is nearly full. 1 MB free"]


@pytest.fixture
def _wrong_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKET_LIMIT", "ten")


@pytest.mark.usefixtures("_wrong_limit")
@example_of("tracekit_configuration_problems")
def test_the_configuration_example_names_its_variable(host: PluginHost) -> None:
    """And the plugin that says so."""
    assert "TICKET_LIMIT: not a number; 10 is used (plugin example)" in host.problems


@example_of("tracekit_admin_routes")
def test_the_route_example_adds_a_route(host: PluginHost, tmp_path: Path) -> None:
    """The route is one of those that plugins add."""
    recorder = Recorder(f"sqlite:///{tmp_path / 'routes.db'}")
    try:
        assert "/api/plugin-names" in [getattr(route, "path", None) for route in host.admin_routes(recorder)]
    finally:
        recorder.shutdown()


@example_of("tracekit_cli_commands")
def test_the_command_example_adds_a_command(host: PluginHost) -> None:
    """The command runs."""
    cli = typer.Typer()
    host.add_cli_commands(cli)
    assert CliRunner().invoke(cli, ["hello"]).output == "hello\n"
