"""The admin is closed unless opened, on every route, and opens only to whom it was opened for."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, operations, path_of, recording_into
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from tracekit import Recorder, hookimpl
from tracekit_admin import Admin
from tracekit_admin.auth import Access
from tracekit_admin.operations import Operation


@pytest.fixture
def tokenless(sqlite_url: str) -> Iterator[Recorder]:
    """A recorder without an admin token."""
    with recording_into(sqlite_url) as recorder:
        yield recorder


def ask(client: httpx.Client, operation: Operation, **options: Any) -> httpx.Response:
    return client.request(operation.method, path_of(operation), **options)


def test_no_route_answers_without_credentials(stranger: httpx.Client) -> None:
    """Whoever shows nothing is told which credentials are missing, and nothing else."""
    for operation in operations():
        answer = ask(stranger, operation)
        if not operation.open:
            assert (answer.status_code, operation) == (401, operation)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_only_the_sign_in_page_and_the_switch_are_open() -> None:
    """What answers without a permission is a list that does not grow by accident."""
    assert {operation.path for operation in operations() if operation.open} == {"/sign-in", "/api/switch"}


def test_no_route_answers_a_wrong_token(stranger: httpx.Client) -> None:
    """A token that differs in one character, or has the right one as its beginning, opens nothing."""
    for operation in operations():
        for wrong in (TOKEN[:-1] + "X", TOKEN + "x", TOKEN[:-1], "-", "Ω" * 20):
            answer = ask(stranger, operation, headers={"Authorization": f"Bearer {wrong}".encode()})
            assert operation.open or (answer.status_code, operation) == (401, operation)


def test_with_nothing_configured_every_route_says_how_to_open(tokenless: Recorder, serve: Serve) -> None:
    """Forgetting to configure access must not open anything, not even the sign-in page."""
    with httpx.Client(base_url=serve(Admin(tokenless))) as client:
        for operation in operations():
            answer = ask(client, operation, headers={**BEARER, "Accept": "text/html"})
            assert (answer.status_code, operation) == (403, operation)
            assert "TRACEKIT_ADMIN_TOKEN" in answer.json()["detail"]
        assert client.get("/static/style.css").status_code == 403


def test_unknown_paths_are_closed_too(stranger: httpx.Client, admin: httpx.Client) -> None:
    """Whether a path exists is told only to those who may know."""
    assert stranger.get("/no/such/page").status_code == 401
    assert admin.get("/no/such/page").status_code == 404


def test_the_token_opens_as_a_bearer_in_any_case_of_the_scheme(stranger: httpx.Client) -> None:
    """The scheme of the Authorization header is case-insensitive (RFC 9110, section 11.1)."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert stranger.get("/api/health", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200
    assert stranger.get("/api/health", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401


def test_a_token_may_hold_any_character(sqlite_url: str, serve: Serve) -> None:
    """A secret need not be ASCII; clients send it as UTF-8."""
    token = "señal-秘密-0123456789"
    with recording_into(sqlite_url, admin_token=token) as recorder:
        answer = httpx.get(
            serve(Admin(recorder)) + "/api/health", headers={b"Authorization": f"Bearer {token}".encode()}
        )
    assert answer.status_code == 200


def asked(recorder: Recorder, serve: Serve, authorize: Any, **request: Any) -> httpx.Response:
    return httpx.get(serve(Admin(recorder, authorize=authorize)) + "/api/health", **request)


async def yes(connection: HTTPConnection) -> bool:
    return connection.headers.get("x-user") == "root"


class Check:
    async def __call__(self, connection: HTTPConnection) -> Access:
        return Access("root")


async def answered(connection: HTTPConnection, *, answer: bool) -> bool:
    return answer


@pytest.mark.parametrize(
    "authorize",
    [
        lambda connection: connection.headers.get("x-user") == "root",
        yes,
        Check(),
        functools.partial(answered, answer=True),
        lambda connection: answered(connection, answer=True),
        lambda connection: Access("root"),
    ],
    ids=["function", "coroutine", "object", "partial", "lambda that returns a coroutine", "access"],
)
def test_the_hosts_own_check_opens(
    tokenless: Recorder, serve: Serve, authorize: Callable[[HTTPConnection], bool | Awaitable[bool]]
) -> None:
    """True or an Access lets a request in, whatever form the function has."""
    assert asked(tokenless, serve, authorize, headers={"X-User": "root"}).status_code == 200


def type_name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("answer", [False, None, 1, "yes", object(), [], {"admin": True}], ids=type_name)
def test_anything_but_yes_from_the_hosts_check_closes(tokenless: Recorder, serve: Serve, answer: object) -> None:
    """A value that only looks like a yes, such as a user object, must not open by accident."""
    assert asked(tokenless, serve, lambda connection: answer).status_code == 403


def test_a_check_that_fails_closes(tokenless: Recorder, serve: Serve) -> None:
    """An exception is no permission; what it says stays in the log."""

    def broken(connection: HTTPConnection) -> bool:
        raise RuntimeError("the user database is away, password=hunter2")

    answer = asked(tokenless, serve, broken)
    assert answer.status_code == 500
    assert "hunter2" not in answer.text


def test_a_check_may_answer_by_an_http_exception(tokenless: Recorder, serve: Serve) -> None:
    """Hosts that raise Starlette's or FastAPI's HTTPException get its status and headers."""

    def unauthenticated(connection: HTTPConnection) -> bool:
        raise HTTPException(401, "Log in first.", {"WWW-Authenticate": "Negotiate"})

    answer = asked(tokenless, serve, unauthenticated)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Negotiate")
    assert answer.json()["detail"] == "Log in first."


def test_the_hosts_check_goes_before_the_token(recorder: Recorder, serve: Serve) -> None:
    """Where the host checks, the admin token opens nothing, and there is no page to sign in with it."""
    address = serve(Admin(recorder, authorize=lambda connection: "x-user" in connection.headers))
    assert httpx.get(address + "/api/health", headers=BEARER).status_code == 403
    assert httpx.get(address + "/sign-in", headers={"X-User": "root"}).status_code == 404


class WithRoutes:
    """A plugin that adds routes."""

    @hookimpl
    def tracekit_admin_routes(self, recorder: Recorder) -> list[BaseRoute]:
        return [Route("/extra", self.page), WebSocketRoute("/socket", self.socket)]

    async def page(self, request: Any) -> PlainTextResponse:
        return PlainTextResponse("extra")

    async def socket(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()


def test_routes_of_plugins_are_behind_the_same_door(sqlite_url: str, serve: Serve) -> None:
    """A plugin cannot open a hole by adding a page."""
    with recording_into(sqlite_url, admin_token=TOKEN, plugins=[WithRoutes()]) as recorder:
        address = serve(Admin(recorder))
        assert httpx.get(address + "/extra").status_code == 401
        assert httpx.get(address + "/extra", headers=BEARER).text == "extra"


def test_web_sockets_of_plugins_are_behind_the_same_door(sqlite_url: str) -> None:
    """A WebSocket needs the same permission, and a page of another origin cannot open one."""
    with recording_into(sqlite_url, admin_token=TOKEN, plugins=[WithRoutes()]) as recorder:
        client = TestClient(Admin(recorder))
        with client.websocket_connect("/socket", headers=BEARER) as socket:
            assert socket.receive_text() == "hello"
        foreign = {**BEARER, "Origin": "https://elsewhere.example"}
        for headers in ({}, foreign):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket", headers=headers):
                pass


def test_the_name_of_an_access_is_the_author_of_a_change(tokenless: Recorder, serve: Serve) -> None:
    """The audit says who changed a setting, as the host names them."""
    address = serve(Admin(tokenless, authorize=lambda connection: Access(name="ada@example.org")))
    httpx.put(address + "/api/settings/system", json={"task_trace_enabled": True}).raise_for_status()
    (change,) = httpx.get(address + "/api/settings/system/audit").json()["items"]
    assert change["changed_by"] == "ada@example.org"
