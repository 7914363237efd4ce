"""What a plugin or a function of the host may do wrong: the chat never notices, and people are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import Outcome, Wire, body, http_scope, request, run, start, streams
from recorders import only_trace, recording, traces, written
from stream_corpus import sse_body

from tracekit import Recorder, TraceMiddleware, hookimpl
from tracekit.decoding import Claim, Fact, Frame, Text
from tracekit.errors import ConfigurationError, PluginError
from tracekit.plugins import PluginFacts, PluginHost
from tracekit.redaction import Redactor
from tracekit.testing import record_stream
from tracekit.types import Actor, Decision

ANSWER = b"data: hello\n\n"


class Odd(BaseException):
    """Nobody's idea of an error."""


class Unspeakable(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


LEAVES = [SystemExit(3), asyncio.CancelledError("not me"), GeneratorExit(), Odd("odd"), Unspeakable(), MemoryError()]
ids = [type(error).__name__ for error in LEAVES]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'fence.db'}"


def chat(recorder: Recorder) -> Outcome:
    """One chat through the middleware."""
    outcome = run(TraceMiddleware(streams(start(), body(ANSWER, more_body=False)), recorder), Wire([request()]))
    assert (outcome.raised, outcome.body) == (None, ANSWER)
    return outcome


def facts_of(host: PluginHost, name: str) -> PluginFacts:
    return next(facts for facts in host.loaded if facts.name == name)


def raising(hook: str, error: BaseException) -> object:
    """A plugin whose only hook raises."""

    def implementation() -> None:
        raise error

    return answering(hook, implementation)


def answering(hook: str, implementation: Callable[..., Any]) -> object:
    """A plugin with one hook."""
    return type("Plugin", (), {hook: staticmethod(hookimpl(implementation))})()


# What is raised


@pytest.mark.parametrize("error", LEAVES, ids=ids)
@pytest.mark.parametrize("hook", ["tracekit_identify_actor", "tracekit_should_record"])
def test_a_hook_of_a_request_may_raise_anything_and_the_chat_goes_on(url: str, hook: str, error: BaseException) -> None:
    """Not even what ends a process or a task goes further. It is counted, and health says which plugin it was."""
    with recording(url, plugins=[raising(hook, error)]) as recorder:
        chat(recorder)
        facts, health = facts_of(recorder.plugins, "Plugin"), recorder.health()
    assert facts.faults >= 1
    assert f"{hook}: {type(error).__name__}" in (facts.last_fault or "")
    assert health.status == "degraded"


@pytest.mark.parametrize("error", LEAVES, ids=ids)
def test_a_function_that_identifies_may_raise_anything_and_the_chat_goes_on(url: str, error: BaseException) -> None:
    """Nobody is then an admin."""

    def identify(scope: Any) -> Actor:
        raise error

    with recording(url, identify=identify) as recorder:
        chat(recorder)
        assert only_trace(recorder).actor is None
        drops = recorder.health().drops
    assert drops.internal_errors >= 1
    assert f"identify: {type(error).__name__}" in (drops.last_internal_error or "")


@pytest.mark.parametrize("error", LEAVES, ids=ids)
@pytest.mark.parametrize(
    "hook",
    ["tracekit_describe_request", "tracekit_trace_started", "tracekit_stream_decoder", "tracekit_trace_finished"],
)
def test_a_hook_of_the_writer_may_raise_anything_and_the_record_is_whole(
    url: str, hook: str, error: BaseException
) -> None:
    """The thread lives, the trace is stored to its end, and the fault is counted."""
    with recording(url, plugins=[raising(hook, error)]) as recorder:
        chat(recorder)
        trace, health = only_trace(recorder), recorder.health()
        faults = facts_of(recorder.plugins, "Plugin").faults
    assert (trace.status, trace.answer_preview, health.writer.alive) == ("completed", "hello", True)
    assert faults >= 1


@pytest.mark.parametrize("error", LEAVES, ids=ids)
def test_a_redactor_that_raises_anything_lets_nothing_pass(url: str, error: BaseException) -> None:
    """Fails closed: what could not be checked is not stored."""

    class Fails:
        def value(self, value: Any) -> Any:
            raise error

        def stream(self, items: Any, *, final: bool) -> int:
            raise error

    def redactor() -> Redactor:
        return Fails()

    with recording(url, plugins=[answering("tracekit_before_store", redactor)]) as recorder:
        chat(recorder)
        trace = only_trace(recorder)
        assert recorder.health().writer.alive
    assert trace.status == "completed"
    assert "hello" not in str(trace)


@pytest.mark.parametrize("error", LEAVES, ids=ids)
def test_a_decoder_that_raises_anything_costs_one_frame(error: BaseException) -> None:
    """The others are read."""

    class Moody:
        wire_format = "moody"

        def feed(self, frame: Frame) -> list[Fact]:
            if frame.text == "bad":
                raise error
            return [Text(frame.text)]

        def finish(self) -> list[Fact]:
            raise error

    trace = record_stream(
        sse_body("a", "bad", "b"), plugins=[answering("tracekit_stream_decoder", lambda: Claim(1.0, Moody))]
    )
    assert (trace.text, trace.row["frames_undecoded"]) == ("ab", 1)


def test_a_decoder_that_cannot_name_its_format_costs_no_frame() -> None:
    """The stream is then of an unknown format."""

    class Nameless:
        @property
        def wire_format(self) -> str:
            raise ValueError("no name")

        def feed(self, frame: Frame) -> list[Fact]:
            return [Text(frame.text)]

        def finish(self) -> list[Fact]:
            return []

    trace = record_stream(sse_body("a"), plugins=[answering("tracekit_stream_decoder", lambda: Claim(1.0, Nameless))])
    assert (trace.wire_format, len(trace.events_of("stream.frame"))) == ("unknown", 1)
    assert trace.faults == {"Plugin": "decoder: ValueError: no name"}


def test_a_fault_of_our_own_in_the_writer_is_counted_and_the_thread_lives(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it derives from, in a place without a fence of its own."""
    with recording(url) as recorder:
        outage, failures = recorder.writer._outage, [Odd("once")]
        is_ready = outage._is_ready

        def fails_once() -> bool:
            if failures:
                raise failures.pop()
            return is_ready()

        monkeypatch.setattr(outage, "_is_ready", fails_once)
        chat(recorder)
        assert only_trace(recorder).status == "completed"
        health = recorder.health()
    assert health.writer.alive
    assert "writer: Odd: once" in (health.drops.last_internal_error or "")


def test_a_keyboard_interrupt_is_the_operators(url: str) -> None:
    """It is no fault of the plugin in which it happens to arrive, and ends what it shall end."""
    with recording(url, plugins=[raising("tracekit_should_record", KeyboardInterrupt())]) as recorder:
        app = TraceMiddleware(streams(start(), body(ANSWER, more_body=False)), recorder)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(_in_this_task(app))


async def _in_this_task(app: Any) -> None:
    wire = Wire([request()])
    await app(http_scope(), wire.receive, wire.send)


# What is answered

WRONG = [False, True, 0, "yes", [], {"record": False}, object()]


@pytest.mark.parametrize("answer", WRONG, ids=lambda answer: type(answer).__name__)
def test_an_answer_to_whether_to_record_that_is_no_decision_is_a_no(url: str, answer: Any) -> None:
    """A plugin that is asked for consent and cannot be understood has not given it."""
    with recording(url, plugins=[answering("tracekit_should_record", lambda: answer)]) as recorder:
        chat(recorder)
        written(recorder)
        assert traces(recorder) == []
        facts = facts_of(recorder.plugins, "Plugin")
    assert facts.faults >= 1
    assert facts.last_fault == f"tracekit_should_record: TypeError: answered {type(answer).__name__}, not Decision"


def test_a_plugin_that_fails_to_say_whether_to_record_has_not_said_yes(url: str) -> None:
    """Also where one that would be asked later agrees."""
    agrees = answering("tracekit_should_record", lambda: Decision(True, "fine with me"))
    fails = raising("tracekit_should_record", ValueError("no idea"))
    with recording(url, plugins=[agrees, fails]) as recorder:
        chat(recorder)
        written(recorder)
        assert traces(recorder) == []


@pytest.mark.parametrize(
    ("hook", "answer", "wanted"),
    [
        ("tracekit_describe_request", {"session_id": "x"}, "RequestDescription"),
        ("tracekit_stream_decoder", 1.0, "Claim"),
        ("tracekit_identify_actor", "ann", "Actor"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_a_fault_and_counts_as_none(
    url: str, hook: str, answer: Any, wanted: str
) -> None:
    """Silence would leave its author to wonder."""
    with recording(url, plugins=[answering(hook, lambda: answer)]) as recorder:
        chat(recorder)
        trace = only_trace(recorder)
        facts = facts_of(recorder.plugins, "Plugin")
    assert (trace.status, trace.answer_preview) == ("completed", "hello")
    assert facts.faults >= 1
    assert wanted in (facts.last_fault or "")


@pytest.mark.parametrize("certainty", ["sure", float("nan"), 1.1, -0.1, None])
def test_a_claim_has_a_certainty_from_0_to_1(certainty: Any) -> None:
    """Another one is the plugin's fault, and the stream is nobody's."""
    plugin = answering("tracekit_stream_decoder", lambda: Claim(certainty, list))
    trace = record_stream(sse_body("a"), plugins=[plugin])
    assert (trace.row["status"], "tracekit_stream_decoder" in trace.faults["Plugin"]) == ("completed", True)


def test_an_error_class_of_the_wrong_kind_is_a_fault() -> None:
    """The next plugin is asked."""
    host = PluginHost([answering("tracekit_classify_error", lambda: "TIMEOUT")])
    assert host.classify_error(TimeoutError()).code == "TIMEOUT"
    assert facts_of(host, "Plugin").last_fault == "tracekit_classify_error: TypeError: answered str, not Reason"


def test_exporters_of_the_wrong_kind_are_a_fault() -> None:
    """What is an exporter among them is used."""
    good = next(iter(PluginHost().exporters().values()))
    host = PluginHost([answering("tracekit_exporters", lambda: [good, "pdf"])])
    assert set(host.exporters()) == set(PluginHost().exporters())
    assert facts_of(host, "Plugin").last_fault == "tracekit_exporters: TypeError: answered str, not Exporter"
    host = PluginHost([answering("tracekit_exporters", lambda: 7)])
    assert "answered int, not Sequence" in (facts_of(host, "Plugin").last_fault or "")


def test_one_text_is_no_list_of_problems() -> None:
    """Letter by letter nobody could read it; the fault says what is wanted."""
    host = PluginHost([answering("tracekit_configuration_problems", lambda: "LIMIT: not a number")])
    assert host.problems == []
    assert "answered str, not Sequence" in (facts_of(host, "Plugin").last_fault or "")


def test_admin_routes_of_the_wrong_kind_are_a_fault(url: str) -> None:
    """The pages work without them."""
    with recording(url, plugins=[answering("tracekit_admin_routes", lambda: ["/page"])]) as recorder:
        assert all(not isinstance(route, str) for route in recorder.plugins.admin_routes(recorder))
        assert "answered str, not BaseRoute" in (facts_of(recorder.plugins, "Plugin").last_fault or "")


async def _coroutine(*_: Any) -> None: ...


def _returns_a_coroutine() -> Any:
    return _coroutine()


def _generator() -> Iterator[None]:
    yield


async def _async_generator() -> Any:
    yield


@pytest.mark.parametrize(
    ("function", "what"),
    [(_coroutine, "coroutine"), (_generator, "generator"), (_async_generator, "coroutine")],
)
def test_a_hook_that_is_no_plain_function_is_refused(
    tmp_path: Path, function: Callable[..., Any], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would await it, and a consent that is never asked for is no consent."""
    with pytest.raises(PluginError, match=rf"(?s)Plugin.*tracekit_should_record.*{what}"):
        PluginHost([answering("tracekit_should_record", function)])
    source = "from tracekit import hookimpl\n@hookimpl\nasync def tracekit_should_record(scope): ...\n"
    (tmp_path / "late.py").write_text(source, encoding="utf-8")
    host = PluginHost(plugins_dir=tmp_path)
    assert "coroutine" in (facts_of(host, "late").error or "")
    assert facts_of(host, "late").hooks == ()


def test_a_function_that_identifies_must_be_a_plain_one() -> None:
    """It is asked on the event loop, where nobody waits for it."""
    with pytest.raises(ConfigurationError, match=r"identify.*coroutine"):
        Recorder("sqlite:///never-opened.db", identify=_coroutine)  # type: ignore[arg-type]


def test_a_hook_that_returns_a_coroutine_all_the_same_is_a_fault(url: str) -> None:
    """It is closed, so that Python does not warn of it in the app's log."""
    for hook in ("tracekit_should_record", "tracekit_trace_started"):
        with recording(url, plugins=[answering(hook, _returns_a_coroutine)]) as recorder:
            chat(recorder)
            written(recorder)
            assert "answered coroutine" in (facts_of(recorder.plugins, "Plugin").last_fault or "")


def test_a_function_that_identifies_and_answers_with_something_else_is_counted(url: str) -> None:
    """A typing error there would make nobody an admin, silently."""
    with recording(url, identify=lambda scope: "ann") as recorder:  # type: ignore[arg-type, return-value]
        chat(recorder)
        assert only_trace(recorder).actor is None
        assert "identify: TypeError: answered str, not Actor" in (recorder.health().drops.last_internal_error or "")


def test_a_writer_that_cannot_be_kept_alive_is_a_failure(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health does not say that all is well where nothing is written."""
    with recording(url) as recorder:
        assert recorder.health().status == "ok"
        monkeypatch.setattr(type(recorder.writer), "alive", property(lambda _: False))
        assert recorder.health().status == "failing"
