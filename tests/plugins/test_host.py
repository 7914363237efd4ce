"""The plugin host: what it loads, what it refuses, and what a broken plugin costs the others."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from asgi import Wire, body, request, run, start, streams
from command_line import tracekit as command
from recorders import only_trace, recording
from stream_corpus import sse_body

from tracekit import Recorder, TraceMiddleware, hookimpl, hookspecs
from tracekit.decoding import Claim, Fact, Frame, StreamHead, Text
from tracekit.errors import PluginError
from tracekit.plugins import PluginFacts, PluginHost
from tracekit.requests import RequestDescription, RequestInfo
from tracekit.testing import record_stream
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall

HOOKS = [name for name in hookspecs.__all__ if name.startswith("tracekit_")]
REQUEST = RequestInfo("POST", "/chat", "", {}, b"", 0, None)

GOOD = """
from tracekit import hookimpl
from tracekit.requests import RequestDescription

@hookimpl
def tracekit_describe_request(request):
    return RequestDescription(session_id="from a file")
"""
MISSPELT = """
from tracekit import hookimpl

@hookimpl
def tracekit_trace_stated(trace):
    pass
"""


class Described:
    """A plugin that says one thing of every request."""

    def __init__(self, **facts: Any) -> None:
        self._facts = facts

    @hookimpl
    def tracekit_describe_request(self, request: RequestInfo) -> RequestDescription | None:
        return RequestDescription(**self._facts)


def facts_of(host: PluginHost, name: str) -> PluginFacts:
    return next(facts for facts in host.loaded if facts.name == name)


# Every hook is used


def bundled() -> dict[str, Any]:
    points = entry_points(group="tracekit")
    return {point.name: point.load() for point in points if point.dist is not None and point.dist.name == "tracekit"}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_used_by_a_bundled_plugin(hook: str) -> None:
    """A hook that nobody uses is one that nobody has tried."""
    assert [name for name, plugin in bundled().items() if hasattr(plugin, hook)]


def test_every_hook_says_when_it_fires_and_on_which_thread() -> None:
    """The docstring is the reference."""
    words = ("thread", "event loop", "Fires once", "Fires when")
    for hook in HOOKS:
        text = getattr(hookspecs, hook).__doc__ or ""
        assert any(word.lower() in text.lower() for word in words), hook


def test_every_bundled_plugin_is_in_use() -> None:
    """None is refused, and each implements a hook."""
    host = PluginHost()
    names = set(bundled())
    assert {facts.name: facts.error for facts in host.loaded if facts.name in names} == dict.fromkeys(names)
    assert all(facts.hooks for facts in host.loaded)


# Refused plugins


def test_a_misspelt_hook_in_code_is_an_error_at_once() -> None:
    """It names the plugin and the hook."""

    class Typist:
        @hookimpl
        def tracekit_trace_stated(self, trace: TraceInfo) -> None: ...

    with pytest.raises(PluginError, match=r"Typist.*tracekit_trace_stated.*no such hook"):
        PluginHost([Typist()])
    with pytest.raises(PluginError, match=r"Typist.*tracekit_trace_stated"):
        Recorder("sqlite:///never-opened.db", plugins=[Typist()])


def test_an_argument_that_the_hook_does_not_have_is_an_error() -> None:
    """It names the plugin and the argument."""

    class Greedy:
        @hookimpl
        def tracekit_trace_started(self, trace: TraceInfo, database: object) -> None: ...

    with pytest.raises(PluginError, match=r"(?s)Greedy.*database"):
        PluginHost([Greedy()])


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (MISSPELT, "tracekit_trace_stated"),
        ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
        ("raise SystemExit('I leave')", "I leave"),
        ("this is no Python", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_the_others_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, problem: str
) -> None:
    """A broken file costs itself alone; why is told, and logged."""
    (tmp_path / "a_broken.py").write_text(source, encoding="utf-8")
    (tmp_path / "b_good.py").write_text(GOOD, encoding="utf-8")
    host = PluginHost(plugins_dir=tmp_path)
    broken = facts_of(host, "a_broken")
    assert problem in (broken.error or "")
    assert broken.hooks == ()
    assert facts_of(host, "b_good").error is None
    assert host.describe_request(REQUEST).session_id == "from a file"
    assert any("a_broken" in record.getMessage() for record in caplog.records)


def test_a_plugin_that_cannot_be_imported_is_shown_where_people_look(tmp_path: Path) -> None:
    """The health page and `tracekit plugins` name it, and chats are recorded."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "wont_do.py").write_text("1 / 0", encoding="utf-8")
    with recording(f"sqlite:///{tmp_path / 'health.db'}", plugins_dir=folder) as recorder:
        health = recorder.health()
        run(TraceMiddleware(streams(start(), body(more_body=False)), recorder), Wire([request()]))
        assert only_trace(recorder).path == "/chat"
    assert health.status == "degraded"
    assert [facts.error for facts in health.plugins if facts.name == "wont_do"] == [
        "ZeroDivisionError: division by zero"
    ]
    done = command("plugins", "--json", TRACEKIT_PLUGINS_DIR=str(folder))
    listed = {plugin["name"]: plugin["error"] for plugin in map(json.loads, done.out.splitlines())}
    assert done.status == 1
    assert listed.pop("wont_do") == "ZeroDivisionError: division by zero"
    assert set(listed.values()) == {None}


def test_a_folder_that_is_not_there_is_named() -> None:
    """A typing error in TRACEKIT_PLUGINS_DIR is found, and stops nothing."""
    host = PluginHost(plugins_dir=Path("/no/such/folder"))
    assert facts_of(host, "/no/such/folder").error == "no such folder"
    assert facts_of(host, "openai").error is None


# Fenced calls


class Broken:
    """Raises in every hook that is called in a recording."""

    @hookimpl
    def tracekit_describe_request(self, request: RequestInfo) -> RequestDescription | None:
        raise ValueError("describe")

    @hookimpl
    def tracekit_trace_started(self, trace: TraceInfo) -> None:
        raise ValueError("started")

    @hookimpl
    def tracekit_stream_decoder(self, head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
        raise ValueError("decoder")

    @hookimpl
    def tracekit_tool_call_started(self, trace: TraceInfo, call: ToolCall) -> None:
        raise ValueError("call started")

    @hookimpl
    def tracekit_tool_call_finished(self, trace: TraceInfo, call: ToolCall) -> None:
        raise ValueError("call finished")

    @hookimpl
    def tracekit_classify_error(self, error: BaseException | str) -> None:
        raise ValueError("classify")

    @hookimpl
    def tracekit_trace_finished(self, trace: TraceInfo) -> None:
        raise ValueError("finished")


STREAM = sse_body(
    {"type": "start"},
    {"type": "tool-input-available", "toolCallId": "1", "toolName": "web_search", "input": {"query": "x"}},
    {"type": "tool-output-available", "toolCallId": "1", "output": []},
    {"type": "text-delta", "id": "0", "delta": "Hello"},
    {"type": "error", "errorText": "then it broke"},
)


def test_a_plugin_that_raises_everywhere_costs_the_others_nothing() -> None:
    """With it and without it the same is recorded; its faults are counted."""
    host = PluginHost([Broken()])
    trace, plain = record_stream(STREAM, plugins=host), record_stream(STREAM)
    assert (trace.text, trace.wire_format) == (plain.text, plain.wire_format) == ("Hello", "ui-message-stream")
    assert [event.event_type for event in trace.events] == [event.event_type for event in plain.events]
    assert len(trace.events_of("artifact.added")) == 1
    broken = facts_of(host, "Broken")
    assert broken.faults >= 7
    assert broken.last_fault == "tracekit_trace_finished: ValueError: finished"
    assert {facts.name for facts in host.loaded if facts.faults} == {"Broken"}


def test_a_decoder_that_raises_costs_one_frame_each_time() -> None:
    """Frames that it can read are read; the others are kept and counted as undecoded."""

    class Moody:
        wire_format = "moody"

        def feed(self, frame: Frame) -> list[Fact]:
            if frame.text == "bad":
                raise RuntimeError("not today")
            return [Text(frame.text)]

        def finish(self) -> list[Fact]:
            raise RuntimeError("nor ever")

    class Claims:
        @hookimpl
        def tracekit_stream_decoder(self) -> Claim:
            return Claim(1.0, Moody)

    trace = record_stream(sse_body("a", "bad", "b", "bad"), plugins=[Claims()])
    assert (trace.text, trace.row["frames_undecoded"], len(trace.events_of("stream.frame"))) == ("ab", 2, 4)
    assert trace.faults == {"Claims": "Decoder.finish: RuntimeError: nor ever"}


def test_a_plugin_that_keeps_failing_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fault is counted; the log has one with its traceback, and the next a minute later."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    host = PluginHost([Broken()])
    caplog.set_level(logging.ERROR, logger="tracekit.plugins")
    for _ in range(100):
        host.describe_request(REQUEST)
    assert facts_of(host, "Broken").faults == 100
    assert [(record.getMessage(), record.exc_info is not None) for record in caplog.records] == [
        ("plugin Broken failed in tracekit_describe_request", True)
    ]
    now += 61
    host.describe_request(REQUEST)
    assert len(caplog.records) == 2


# Folders, order, switching off


def test_a_folder_of_files_is_loaded_in_order_of_their_names(tmp_path: Path) -> None:
    """Each file is a plugin named as the file; what is no Python file is passed over."""
    for name in ("b_second.py", "a_first.py"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no plugin", encoding="utf-8")
    host = PluginHost(plugins_dir=tmp_path)
    files = [facts for facts in host.loaded if facts.origin.startswith(str(tmp_path))]
    assert [(facts.name, facts.hooks) for facts in files] == [
        ("a_first", ("tracekit_describe_request",)),
        ("b_second", ("tracekit_describe_request",)),
    ]


def test_who_comes_last_is_asked_first(tmp_path: Path) -> None:
    """Code before files, files before what is installed; a field that one leaves out is taken from the next."""
    (tmp_path / "file.py").write_text(GOOD, encoding="utf-8")
    host = PluginHost([Described(model="early"), Described(model="late", prompt="hi")], plugins_dir=tmp_path)
    found = host.describe_request(
        RequestInfo("POST", "/", "", {}, b"{}", 2, {"session_id": "from the body", "messageId": "m-1"})
    )
    assert (found.model, found.prompt, found.session_id, found.message_id) == ("late", "hi", "from a file", "m-1")


def test_two_plugins_of_one_name_both_run() -> None:
    """The second gets a number."""
    host = PluginHost([Described(session_id="one"), Described(model="two")])
    names = [facts.name for facts in host.loaded if facts.origin == "code"]
    assert len(set(names)) == 2
    found = host.describe_request(REQUEST)
    assert (found.session_id, found.model) == ("one", "two")


def test_a_plugin_can_be_switched_off(tmp_path: Path) -> None:
    """Installed ones and files; it is listed as switched off, and is no fault."""
    (tmp_path / "mine.py").write_text(GOOD, encoding="utf-8")
    host = PluginHost(plugins_dir=tmp_path, off=["chat_request", "mine"])
    assert {facts_of(host, name).error for name in ("chat_request", "mine")} == {"switched off"}
    found = host.describe_request(RequestInfo("POST", "/", "", {}, b"{}", 2, {"session_id": "x"}))
    assert found == RequestDescription()


def test_a_recorder_leaves_out_what_its_options_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TRACEKIT_PLUGINS_OFF`, parted by commas or spaces."""
    monkeypatch.setenv("TRACEKIT_PLUGINS_OFF", "logging, web_search")
    with recording(f"sqlite:///{tmp_path / 'off.db'}", plugins_off=None) as recorder:
        off = {facts.name for facts in recorder.plugins.loaded if facts.error}
        assert off == {"logging", "web_search"}
        assert recorder.health().status == "ok"


def test_a_name_that_no_plugin_has_switches_off_nothing_and_is_told(tmp_path: Path) -> None:
    """A typing error there leaves on what somebody wanted off."""
    with recording(f"sqlite:///{tmp_path / 'off.db'}", plugins_off="redact, looging") as recorder:
        problems = recorder.health().configuration_problems
    assert problems == ("TRACEKIT_PLUGINS_OFF: no plugin is called looging, so that none is switched off by it",)
