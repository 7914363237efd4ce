"""The admin under any path of any ASGI app, and `install` for Starlette and FastAPI."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from trace_rows import frames, write_trace

from tracekit import Actor, Recorder
from tracekit.errors import ConfigurationError
from tracekit_admin import Admin, install

HTML = {"Accept": "text/html"}
OWN = {"Sec-Fetch-Site": "same-origin"}


async def chat(request: Request) -> StreamingResponse:
    await request.body()

    async def answer() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"data: %d\n\n" % number

    return StreamingResponse(answer(), media_type="text/event-stream")


def starlette_app(recorder: Recorder) -> ASGIApp:
    return Starlette(routes=[Mount("/ops/tracekit", Admin(recorder)), Route("/host", _host_page)])


def fastapi_app(recorder: Recorder) -> ASGIApp:
    app = FastAPI()
    app.mount("/ops/tracekit", Admin(recorder))
    return app


async def _host_page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("host")


def bare_app(recorder: Recorder) -> ASGIApp:
    """A plain function that follows ASGI: it adds the mount to the root path and leaves the path whole."""
    admin = Admin(recorder)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and f"{scope['path']}/".startswith("/ops/tracekit/"):
            scope = {**scope, "root_path": scope.get("root_path", "") + "/ops/tracekit"}
            return await admin(scope, receive, send)
        return await PlainTextResponse("host")(scope, receive, send)

    return app


def stripping_app(recorder: Recorder) -> ASGIApp:
    """A framework of the old school: it takes the mount off the path and says so."""
    admin = Admin(recorder)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix("/ops/tracekit")
        await admin({**scope, "root_path": "/ops/tracekit", "path": path}, receive, send)

    return app


def silent_app(recorder: Recorder) -> ASGIApp:
    """A proxy that takes a prefix off the path without a word."""
    admin = Admin(recorder)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await admin({**scope, "path": scope.get("path", "").removeprefix("/ops/tracekit")}, receive, send)

    return app


APPS: list[Callable[[Recorder], ASGIApp]] = [starlette_app, fastapi_app, bare_app, stripping_app, silent_app]


@pytest.mark.parametrize("build", APPS, ids=lambda build: build.__name__)
def test_a_browser_finds_its_way_under_any_mount(
    recorder: Recorder, serve: Serve, build: Callable[[Recorder], ASGIApp]
) -> None:
    """To the sign-in page, back to what was asked for, along every link of the page, and out again."""
    trace_id = write_trace(recorder.database, frames(3))
    mount = serve(build(recorder), lifespan="off") + "/ops/tracekit/"
    with httpx.Client(headers=HTML, follow_redirects=True, timeout=20) as browser:
        wanted = f"{mount}api/task-trace/{trace_id}?"
        page = browser.get(wanted)
        assert str(page.url).startswith(mount + "sign-in?next=")
        target = re.search(r'name="next" value="([^"]+)"', page.text)
        assert target is not None
        form = {"token": TOKEN, "next": target[1]}
        answer = browser.post(page.url.join(_one(r'action="([^"]+)"', page.text)), data=form, headers=OWN)
        assert answer.json()["trace_id"] == trace_id
        page = browser.get(mount)
        links = set(re.findall(r'(?:href|src)="([^"]+)"', page.text))
        assert any(link.endswith("style.css") for link in links)
        for link in links:
            answer = browser.get(page.url.join(link))
            assert answer.status_code == 200, link
            assert str(answer.url).startswith(mount)
        browser.post(page.url.join(_one(r'action="([^"]+sign-out)"', page.text)), headers=OWN)
        assert browser.get(mount).url.path.endswith("/sign-in")


def _one(pattern: str, text: str) -> str:
    (found,) = re.findall(pattern, text)
    return str(found)


@pytest.mark.parametrize("build", [starlette_app, fastapi_app, bare_app], ids=lambda build: build.__name__)
def test_the_mount_without_its_slash_leads_to_the_mount(
    recorder: Recorder, serve: Serve, build: Callable[[Recorder], ASGIApp]
) -> None:
    """As people type it; otherwise its relative links would lead out of it."""
    address = serve(build(recorder), lifespan="off")
    answer = httpx.get(f"{address}/ops/tracekit", headers=BEARER, follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/ops/tracekit/")


def test_the_api_works_behind_a_root_path(recorder: Recorder, serve: Serve) -> None:
    """A server that is told which prefix its proxy takes away."""
    address = serve(starlette_app(recorder), root_path="/behind/proxy")
    for prefix in ("", "/behind/proxy"):
        # uvicorn puts the root path before a path that a proxy has shortened.
        answer = httpx.get(f"{address}/ops/tracekit/api/health", headers=BEARER | {"X-Prefix": prefix})
        assert answer.status_code == 200
    answer = httpx.get(f"{address}/ops/tracekit/api/health", headers=HTML)
    assert answer.headers["location"].startswith("../sign-in?next=%2Fapi%2Fhealth")


def test_an_escaped_slash_does_not_lead_a_browser_astray(recorder: Recorder, serve: Serve) -> None:
    """A browser counts the slashes of the address bar, in which %2F is none."""
    address = serve(starlette_app(recorder))
    answer = httpx.get(f"{address}/ops/tracekit/api/task-trace/a%2Fb", headers=HTML)
    assert answer.url.join(answer.headers["location"]).path == "/ops/tracekit/sign-in"


def installed(app: Any, url: str, **options: Any) -> Recorder:
    """A recorder that `install` has put into an app, and that records everything."""
    settings = {"task_trace_enabled": True, "task_trace_default_on": True, "task_trace_admin_only": False}
    recorder = Recorder(url, admin_token=TOKEN, settings=settings)
    assert install(app, recorder=recorder, **options) is recorder
    return recorder


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
def test_install_records_and_shows(sqlite_url: str, serve: Serve, framework: type[Starlette]) -> None:
    """Two lines in an existing app: its streams are recorded, and the admin shows them."""
    app = framework(routes=[Route("/chat", chat, methods=["POST"])])
    recorder = installed(app, sqlite_url)
    try:
        address = serve(app)
        answer = httpx.post(f"{address}/chat", json={})
        assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
        trace_id = answer.headers["x-trace-id"]
        assert recorder.flush(10).complete
        shown = httpx.get(f"{address}/tracekit/api/task-trace/{trace_id}", headers=BEARER).json()
        assert (shown["status"], shown["path"], shown["frames"]) == ("completed", "/chat", 3)
        assert httpx.get(f"{address}/tracekit/api/task-trace").status_code == 401
    finally:
        recorder.shutdown()


def test_the_admin_is_never_recorded(sqlite_url: str, serve: Serve) -> None:
    """Not even where every path is included, nor under a root path; a path that only begins alike is."""
    app = Starlette(routes=[Route("/tracekitten", chat)])
    recorder = installed(app, sqlite_url, include=["*"], path="/tracekit")
    try:
        address = serve(app, root_path="/behind")
        for path in ("/tracekit/api/health", "/tracekit/", "/tracekit/no/such/page", "/tracekit"):
            assert "x-trace-id" not in httpx.get(address + path, headers=BEARER).headers
        assert "x-trace-id" in httpx.get(f"{address}/tracekitten").headers
        assert recorder.flush(10).complete
        traces = httpx.get(f"{address}/tracekit/api/task-trace", headers=BEARER).json()["items"]
        assert [trace["path"] for trace in traces] == ["/behind/tracekitten"]
    finally:
        recorder.shutdown()


def test_a_route_that_takes_every_path_does_not_take_the_admins(recorder: Recorder, serve: Serve) -> None:
    """As in an app that serves a front end under its root."""
    app = Starlette(routes=[Route("/{rest:path}", _host_page)])
    install(app, recorder=recorder)
    address = serve(app)
    assert httpx.get(f"{address}/tracekit/api/health", headers=BEARER).status_code == 200
    answer = httpx.get(f"{address}/tracekit", headers=BEARER, follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/tracekit/")
    assert httpx.get(f"{address}/anything").text == httpx.get(f"{address}/tracekits").text == "host"


def test_install_takes_the_options_of_the_middleware(sqlite_url: str, serve: Serve) -> None:
    """Which paths, and under which header name the trace id comes."""
    app = Starlette(routes=[Route("/chat", chat), Route("/private", chat), Route("/page", _host_page)])
    recorder = installed(app, sqlite_url, exclude=["/private"], include=["/page"], response_header="X-Recording")
    try:
        address = serve(app)
        assert "x-recording" in httpx.get(f"{address}/chat").headers
        assert "x-recording" in httpx.get(f"{address}/page").headers
        assert "x-recording" not in httpx.get(f"{address}/private").headers
    finally:
        recorder.shutdown()


def test_install_builds_a_recorder_from_the_environment(
    sqlite_url: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word about it: database, token and settings come from variables, who asks from the host."""
    monkeypatch.setenv("TRACEKIT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACEKIT_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("TASK_TRACE_ENABLED", "true")
    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    recorder = install(app, identify=lambda scope: Actor("ada", is_admin=True))
    try:
        address = serve(app)
        wait_until(lambda: recorder.start() or recorder.health().recording)
        httpx.post(f"{address}/chat", json={"traceEnabled": True}).raise_for_status()
        assert recorder.flush(10).complete
        (trace,) = httpx.get(f"{address}/tracekit/api/task-trace", headers=BEARER).json()["items"]
        assert (trace["actor"], trace["actor_is_admin"]) == ("ada", True)
    finally:
        recorder.shutdown()


def test_install_refuses_what_cannot_work(recorder: Recorder) -> None:
    """While the app is built, where its author sees it."""
    for path in ("", "/", "tracekit", "/tracekit/", "//tracekit", "/a/{b}"):
        with pytest.raises(ConfigurationError, match="path"):
            install(Starlette(), recorder=recorder, path=path)
    with pytest.raises(ConfigurationError, match="identify"):
        install(Starlette(), recorder=recorder, identify=lambda scope: None)
    app = Starlette()
    install(app, recorder=recorder)
    with pytest.raises(ConfigurationError, match="already"):
        install(app, recorder=recorder)


def test_the_hosts_check_sees_the_hosts_app(sqlite_url: str, serve: Serve) -> None:
    """Its state, its session, its user: what middleware of the host has put into the scope."""
    app = Starlette()
    app.state.admins = {"ada"}
    with recording_into(sqlite_url) as recorder:
        install(app, recorder=recorder, authorize=lambda c: c.headers.get("x-user") in c.app.state.admins)
        address = serve(app)
        assert httpx.get(f"{address}/tracekit/api/health", headers={"X-User": "ada"}).status_code == 200
        assert httpx.get(f"{address}/tracekit/api/health", headers={"X-User": "bob"}).status_code == 403
