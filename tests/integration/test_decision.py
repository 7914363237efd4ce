"""What is recorded: the settings, who asks, and what the request says of itself, seen at the outermost door."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Outcome, Wire, body, http_scope, request, run, start, streams
from chat_events import event
from hypothesis import given
from hypothesis import strategies as st
from recorders import EVERYTHING, only_trace, recording, traces
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tracekit import Actor, Recorder, TraceMiddleware, hookimpl

CHAT = streams(start(), body(event(1)), END)
SWITCHES = {None: b"{}", True: b'{"traceEnabled": true}', False: b'{"traceEnabled": false}'}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}", identify=who_asks) as made:
        yield made


@pytest.fixture(autouse=True)
def usual_settings(recorder: Recorder) -> None:
    recorder.settings.update(dict(EVERYTHING), by="test")


def who_asks(scope: Any) -> Actor | None:
    """The actor that a test put into the scope."""
    actor = scope.get("test.actor")
    return actor if isinstance(actor, Actor) else None


def ask(
    app: Any, body: bytes = b"{}", *, headers: list[tuple[bytes, bytes]] | None = None, path: str = "/chat", **more: Any
) -> Outcome:
    return run(app, Wire([request(body)]), http_scope(path, headers=headers or [], **more))


def is_recorded(outcome: Outcome) -> bool:
    """Whether the response says that it is recorded."""
    return outcome.header("x-trace-id") is not None


def test_the_whole_table_of_settings_at_the_door(recorder: Recorder):
    """For every combination of switches, actors and wishes: the header is there exactly when a trace is stored."""
    app = TraceMiddleware(CHAT, recorder)
    before = {trace.trace_id for trace in traces(recorder)}
    said = set()
    for enabled, default_on, admin_only, where in itertools.product(
        (True, False), (True, False), (True, False), ("dev", "prod", "both")
    ):
        recorder.settings.update(
            {
                "task_trace_enabled": enabled,
                "task_trace_default_on": default_on,
                "task_trace_admin_only": admin_only,
                "task_trace_env": where,
            },
            by="test",
        )
        for actor, wish in itertools.product((None, Actor("eve"), Actor("ann", is_admin=True)), SWITCHES):
            outcome = ask(app, SWITCHES[wish], **{"test.actor": actor})
            allowed = (
                enabled and where in ("dev", "both") and (not admin_only or (actor is not None and actor.is_admin))
            )
            expected = allowed and (default_on if wish is None else wish)
            assert is_recorded(outcome) == expected, (enabled, default_on, admin_only, where, actor, wish)
            assert outcome.body == event(1)
            if expected:
                said.add(outcome.header("x-trace-id"))
    assert {trace.trace_id for trace in traces(recorder)} - before == said
    assert recorder.budget.waiting == 0


@pytest.mark.parametrize(
    ("headers", "sent", "recorded", "why"),
    [
        ([(b"x-trace-enabled", b"true")], b"{}", True, "requested"),
        ([(b"x-trace-enabled", b" 1 ")], b"", True, "requested"),
        ([(b"x-trace-enabled", b"ON")], b"not json", True, "requested"),
        ([(b"x-trace-enabled", b"0")], b"{}", False, None),
        ([(b"x-trace-enabled", b"perhaps")], b"{}", False, None),
        ([(b"x-trace-enabled", b"\xff")], b"{}", False, None),
        ([(b"x-trace-enabled", b"off")], b'{"traceEnabled": true}', False, None),
        ([(b"x-trace-enabled", b"yes")], b'{"traceEnabled": false}', True, "requested"),
        ([], b'{"traceEnabled": true}', True, "requested"),
        ([], b'{"trace_enabled": true}', True, "requested"),
        ([], b'{"model": "m", "messages": [{"content": "\\u0000"}], "trace_enabled": true}', True, "requested"),
        ([], b'{"traceEnabled": false, "trace_enabled": true}', False, None),
        ([], b'{"traceEnabled": null, "trace_enabled": true}', True, "requested"),
        ([], b'{"traceEnabled": "true"}', False, None),
        ([], b'{"nested": {"traceEnabled": true}}', False, None),
        ([], b'["traceEnabled", true]', False, None),
        ([], b'{"traceEnabled": true', False, None),
        ([], b'{"traceEnabled": ' + b"[" * 100_000, False, None),
        ([], b'{"traceEnabled": true, "broken": tru}', False, None),
    ],
)
def test_a_request_may_ask_in_its_header_or_in_its_body(
    recorder: Recorder, headers: list[tuple[bytes, bytes]], sent: bytes, recorded: bool, why: str | None
):
    """A header goes before the body; what is no clear yes or no says nothing; nested or broken JSON says nothing."""
    recorder.settings.update({"task_trace_default_on": False}, by="test")
    outcome = ask(TraceMiddleware(CHAT, recorder), sent, headers=headers)
    assert is_recorded(outcome) == recorded
    if recorded:
        assert traces(recorder)[-1].enabled_by == why


@given(sent=st.binary() | st.text().map(lambda text: f'{{"traceEnabled": {text}}}'.encode("utf-8", "replace")))
def test_no_request_body_can_break_the_decision(recorder: Recorder, sent: bytes):
    """Whatever a client sends, the app answers as it would alone."""
    errors = recorder.health().drops.internal_errors
    outcome = ask(TraceMiddleware(CHAT, recorder), sent)
    assert outcome.raised is None
    assert outcome.body == event(1)
    assert recorder.health().drops.internal_errors == errors


def test_a_body_that_comes_in_parts_is_read_as_one(recorder: Recorder):
    """The switch may be split over several messages of the request."""
    recorder.settings.update({"task_trace_default_on": False}, by="test")
    parts = [request(b'{"trace', more_body=True), request(b'Enabled": tr', more_body=True), request(b"ue}")]
    assert is_recorded(run(TraceMiddleware(CHAT, recorder), Wire(parts)))


def test_an_app_that_answers_before_it_has_read_the_request(recorder: Recorder):
    """What the body says comes too late; the header and the settings decide."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(END)

    recorder.settings.update({"task_trace_default_on": False}, by="test")
    assert not is_recorded(ask(TraceMiddleware(app, recorder), b'{"traceEnabled": true}'))
    assert is_recorded(ask(TraceMiddleware(app, recorder), headers=[(b"x-trace-enabled", b"1")]))


class _Everyone(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(["authenticated"]), SimpleUser(conn.headers["x-user"])


class _Staff:
    """A plugin that knows the users of the host's own authentication."""

    @hookimpl
    def tracekit_identify_actor(self, scope: Any) -> Actor | None:
        user = scope.get("user")
        return None if user is None else Actor(user.display_name, is_admin=user.display_name == "ann")


def test_authentication_inside_the_middleware_is_seen(sqlite_url: str):
    """Who asks is often known only once the app has looked: `scope["user"]` is read when the response begins."""

    async def endpoint(request: Request) -> StreamingResponse:
        await request.body()
        return StreamingResponse(iter([event(1)]), media_type="text/event-stream")

    inner = Starlette(
        routes=[Route("/chat", endpoint, methods=["POST"])],
        middleware=[Middleware(AuthenticationMiddleware, backend=_Everyone())],
    )
    with recording(sqlite_url, {"task_trace_admin_only": True}, plugins=[_Staff()]) as recorder:
        app = TraceMiddleware(inner, recorder)
        for user, expected in (("ann", True), ("eve", False)):
            assert is_recorded(ask(app, headers=[(b"x-user", user.encode())])) == expected
        trace = only_trace(recorder)
        assert (trace.actor, trace.actor_is_admin, trace.enabled_by) == ("ann", True, "default_on")


def test_an_identify_function_that_fails_makes_nobody_an_admin(sqlite_url: str):
    """The host's function is fenced: the chat goes on, and where only admins are recorded nothing is."""

    def broken(scope: Any) -> Actor:
        raise KeyError("session")

    with recording(sqlite_url, {"task_trace_admin_only": True}, identify=broken) as recorder:
        outcome = ask(TraceMiddleware(CHAT, recorder))
        assert outcome.raised is None
        assert not is_recorded(outcome)
        recorder.settings.update({"task_trace_admin_only": False}, by="test")
        assert is_recorded(ask(TraceMiddleware(CHAT, recorder)))
        assert only_trace(recorder).actor is None
        assert recorder.health().drops.internal_errors >= 2


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_environment_of_the_process_counts(sqlite_url: str, environment: str):
    """Recording is allowed where the settings name this process's environment, or both."""
    with recording(sqlite_url, environment=environment) as recorder:
        for allowed in ("dev", "prod", "both"):
            recorder.settings.update({"task_trace_env": allowed}, by="test")
            outcome = ask(TraceMiddleware(CHAT, recorder))
            assert is_recorded(outcome) == (allowed in (environment, "both"))


class _Listener:
    """A plugin that tells when the settings have changed."""

    def __init__(self) -> None:
        self.changed = threading.Event()

    @hookimpl
    def tracekit_settings_changed(self) -> None:
        self.changed.set()


def test_a_change_made_by_another_process_is_in_force_within_two_seconds(database_url: str):
    """Settings are kept in the database; every process follows them without a restart."""
    listener = _Listener()
    with recording(database_url, plugins=[listener]) as recorder, recording(database_url) as another:
        app = TraceMiddleware(CHAT, recorder)
        assert is_recorded(ask(app))
        listener.changed.clear()
        another.settings.update({"task_trace_default_on": False}, by="somebody else")
        assert listener.changed.wait(2.0)
        assert not is_recorded(ask(app))


def test_a_change_made_here_is_in_force_for_the_next_chat(recorder: Recorder):
    """In the process that made the change there is no wait at all."""
    app = TraceMiddleware(CHAT, recorder)
    for wanted in (False, True, False, True):
        recorder.settings.update({"task_trace_enabled": wanted}, by="test")
        assert is_recorded(ask(app)) == wanted


def test_a_plugin_can_narrow_what_is_recorded(sqlite_url: str):
    """It is asked after the settings have said yes, and its word is stored."""

    class Sampling:
        @hookimpl
        def tracekit_should_record(self, scope: Any, decision: Any) -> Any:
            return type(decision)(scope["path"] == "/chat", "sampled")

    with recording(sqlite_url, plugins=[Sampling()]) as recorder:
        app = TraceMiddleware(CHAT, recorder)
        assert is_recorded(ask(app))
        assert not is_recorded(ask(app, path="/other"))
        assert only_trace(recorder).enabled_by == "sampled"
