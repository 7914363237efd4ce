"""Changing requests from pages of other origins are refused, on every route, whoever is signed in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, operations, path_of, recording_into
from starlette.datastructures import Headers

from tracekit import Recorder
from tracekit_admin import Admin
from tracekit_admin.operations import Operation
from tracekit_admin.origin import origin_fault

CHANGING = [operation for operation in operations() if operation.method != "GET"]
FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://"},
    {"Origin": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    {"Sec-Fetch-Site": "nonsense"},
]


def ask(client: httpx.Client, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    own = str(client.base_url).rstrip("/")
    filled = {name: value.replace("{own}", own) for name, value in headers.items()}
    return client.request(operation.method, path_of(operation), headers=filled)


def test_there_are_changing_operations() -> None:
    """The tests below try something."""
    assert {operation.method for operation in CHANGING} == {"POST", "PUT", "DELETE"}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_no_route_obeys_a_page_of_another_origin(admin: httpx.Client, headers: dict[str, str]) -> None:
    """Not even with the right token: a page that got hold of it is still a foreign page."""
    for operation in CHANGING:
        answer = ask(admin, operation, headers)
        assert (answer.status_code, operation) == (403, operation)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_session_needs_to_say_where_a_change_comes_from(browser: httpx.Client) -> None:
    """Browsers add cookies by themselves; one that names neither origin nor site is not believed."""
    assert browser.post("/sign-in", data={"token": TOKEN}).status_code == 303
    for operation in CHANGING:
        assert (ask(browser, operation, {}).status_code, operation) == (403, operation)
    for own in ({"Origin": "{own}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        answer = browser.put("/api/settings/system", json={}, headers=_filled(browser, own))
        assert answer.status_code == 200


def _filled(client: httpx.Client, headers: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("{own}", str(client.base_url).rstrip("/")) for name, value in headers.items()}


def test_a_program_with_the_token_need_not_name_an_origin(admin: httpx.Client) -> None:
    """No browser adds a bearer token by itself."""
    assert admin.put("/api/settings/system", json={}).status_code == 200


def test_reading_from_elsewhere_is_left_to_the_browser(admin: httpx.Client) -> None:
    """A GET changes nothing; what its page may read, the browser decides."""
    for headers in FOREIGN:
        assert admin.get("/api/health", headers=_filled(admin, headers)).status_code == 200


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ({"Cookie": "host_session=1"}, 403),
        ({"Authorization": "Basic YTpi"}, 403),
        ({"Authorization": "Negotiate abc"}, 403),
        ({"X-Api-Key": "1"}, 200),
        ({"Authorization": "Bearer 1", "Cookie": "theme=dark"}, 200),
    ],
    ids=str,
)
def test_what_a_browser_adds_by_itself_is_not_enough_for_the_hosts_check(
    sqlite_url: str, serve: Serve, credentials: dict[str, str], status: int
) -> None:
    """The host's own session is as much at risk as ours."""
    with recording_into(sqlite_url) as recorder:
        address = serve(Admin(recorder, authorize=lambda connection: True))
        assert httpx.put(address + "/api/settings/system", json={}, headers=credentials).status_code == status


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://chat.example", "chat.example", True),
        ("https://chat.example", "chat.example:443", True),
        ("http://chat.example:8000", "chat.example:8000", True),
        ("https://CHAT.example", "chat.EXAMPLE", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://chat.example", "chat.example:8443", False),
        ("https://chat.example:8443", "chat.example", False),
        ("https://chat.example.evil.example", "chat.example", False),
        ("https://evil.example/chat.example", "chat.example", False),
        ("https://chat.example@evil.example", "chat.example", False),
        ("https://chat.example", "", False),
        ("file://", "", False),
        ("https://chat.example:99999", "chat.example", False),
    ],
)
def test_an_origin_is_compared_with_the_host_that_was_asked(origin: str, host: str, own: bool) -> None:
    """Same name and same port; the scheme is left out, since a proxy that ends TLS changes it."""
    assert (origin_fault(Headers({"origin": origin, "host": host})) is None) is own


def test_a_proxy_that_rewrites_the_host_does_not_lock_out(recorder: Recorder, serve: Serve) -> None:
    """Where the browser says same-origin, a Host that differs from the Origin is the proxy's doing."""
    headers: dict[str, Any] = {**BEARER, "Sec-Fetch-Site": "same-origin", "Origin": "https://chat.example"}
    assert httpx.put(serve(Admin(recorder)) + "/api/settings/system", json={}, headers=headers).status_code == 200
