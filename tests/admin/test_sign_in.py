"""The sign-in page: the session cookie, where one goes afterwards, and how often one may try."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from admin_server import TOKEN, Serve, recording_into
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner
from starlette.types import Receive, Scope, Send

from tracekit import Recorder
from tracekit_admin import Admin
from tracekit_admin.attempts import Attempts
from tracekit_admin.places import safe_target
from tracekit_admin.sessions import COOKIE, SESSION_SECONDS

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def signed_in(browser: httpx.Client) -> httpx.Client:
    """A browser with a session."""
    sign_in(browser)
    return browser


def sign_in(client: httpx.Client, token: str = TOKEN, target: str = "/") -> httpx.Response:
    return client.post("/sign-in", data={"token": token, "next": target}, headers=OWN)


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    return {name: value for name, value in morsel.items() if value} | {"value": morsel.value}


def test_the_right_token_opens_a_session(browser: httpx.Client) -> None:
    """After signing in the pages and the API are open to the browser."""
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert browser.get("/").status_code == 200
    assert browser.get("/api/settings/system").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: httpx.Client) -> None:
    """HttpOnly, SameSite=Strict, half a day, and no more of the host than the mount."""
    cookie = cookie_of(sign_in(browser))
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["max-age"] == str(SESSION_SECONDS) == str(12 * 3600)
    assert not cookie.keys() & {"secure", "domain", "path"}


def test_over_https_the_cookie_is_secure(recorder: Recorder, serve: Serve) -> None:
    """The scheme is the server's, or, behind a proxy that ends TLS silently, the browser's."""
    admin = Admin(recorder)

    async def over_tls(scope: Scope, receive: Receive, send: Send) -> None:
        await admin({**scope, "scheme": "https"} if scope["type"] == "http" else scope, receive, send)

    form = {"token": TOKEN}
    assert cookie_of(httpx.post(serve(over_tls) + "/sign-in", data=form))["secure"]
    address = serve(admin)
    origin = address.replace("http://", "https://")
    assert cookie_of(httpx.post(address + "/sign-in", data=form, headers={**OWN, "Origin": origin}))["secure"]


def test_a_wrong_token_opens_nothing(browser: httpx.Client) -> None:
    """The page comes again and says what is wrong; it does not repeat what was typed."""
    answer = sign_in(browser, "not-the-admin-token")
    assert answer.status_code == 401
    assert "not the admin token" in answer.text
    assert "not-the-admin-token" not in answer.text
    assert "set-cookie" not in answer.headers


def test_signing_out_takes_the_cookie_away(signed_in: httpx.Client) -> None:
    """After signing out the browser is sent to the sign-in page again."""
    answer = signed_in.post("/sign-out", headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "./sign-in")
    assert COOKIE not in signed_in.cookies
    assert signed_in.get("/").status_code == 303


def test_who_is_signed_in_need_not_sign_in_again(signed_in: httpx.Client) -> None:
    """The sign-in page sends on."""
    answer = signed_in.get("/sign-in", params={"next": "/api/health"})
    assert (answer.status_code, answer.headers["location"]) == (303, "./api/health")


@pytest.mark.parametrize("forged", ["", "x", "a.b.c", "x" * 5000, "null", "InF0dGFjayI.aaaaaa.bbbbbbbbbbbb"])
def test_a_forged_cookie_opens_nothing(stranger: httpx.Client, forged: str) -> None:
    """Only what was signed with a key made from the token is a session."""
    assert stranger.get("/api/health", headers={"Cookie": f"{COOKIE}={forged}"}).status_code == 401


def test_a_changed_token_signs_everyone_out(signed_in: httpx.Client, serve: Serve, tmp_path: Path) -> None:
    """The key of the sessions comes from the token; another app's session is worth nothing either."""
    with recording_into(f"sqlite:///{tmp_path / 'other.db'}", admin_token="another-admin-token") as other:
        cookie = f"{COOKIE}={signed_in.cookies[COOKIE]}"
        assert httpx.get(serve(Admin(other)) + "/api/health", headers={"Cookie": cookie}).status_code == 401


def test_a_session_ends_after_twelve_hours(
    signed_in: httpx.Client, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    """The time stands in the signature, so a browser that keeps the cookie longer gains nothing."""
    made_at = TimestampSigner("x").get_timestamp()
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: made_at + SESSION_SECONDS - 5)
    assert signed_in.get("/api/health").status_code == 200
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: made_at + SESSION_SECONDS + 60)
    assert signed_in.get("/api/health", headers={"Accept": "application/json"}).status_code == 401


def test_two_sessions_are_not_the_same(browser: httpx.Client) -> None:
    """Each sign-in makes a new session, so none can be planted beforehand."""
    assert cookie_of(sign_in(browser))["value"] != cookie_of(sign_in(browser))["value"]


def test_a_browser_is_sent_to_sign_in_and_back(browser: httpx.Client) -> None:
    """The page that was asked for comes after signing in, with its query."""
    wanted = "/api/task-trace?status=failed&keyword=%E6%B5%81"
    answer = browser.get(wanted)
    assert answer.status_code == 303
    target = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    assert target == wanted
    assert answer.headers["location"].startswith("../sign-in?")
    page = browser.get("/sign-in", params={"next": target})
    assert "status=failed&amp;keyword=" in page.text
    assert sign_in(browser, target=target).headers["location"] == "." + wanted


def test_a_form_of_a_browser_whose_session_has_ended_leads_to_the_sign_in_page(browser: httpx.Client) -> None:
    """What it was to do is not done, and nobody is sent on to where only forms go."""
    for path in ("/preferences", "/sign-out"):
        answer = browser.post(path, data={"theme": "dark", "language": "zh", "next": "/"}, headers=OWN)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == "./sign-in?next=%2F"
        assert "set-cookie" not in answer.headers


def test_a_form_that_is_refused_is_answered_with_a_page(signed_in: httpx.Client) -> None:
    """One that comes from elsewhere, or that says what cannot be."""
    for headers, data, status in (
        ({"Origin": "https://elsewhere.example"}, {"theme": "dark"}, 403),
        (OWN, {"theme": "plaid", "language": "en", "next": "/"}, 422),
    ):
        answer = signed_in.post("/preferences", data=data, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


HOSTILE_TARGETS = [
    "//elsewhere.example/",
    "https://elsewhere.example/",
    "/\\elsewhere.example",
    "\\\\elsewhere.example",
    "/..//elsewhere.example",
    "/../../host-page",
    "/%2e%2e/host-page",
    "/a/%2E./b",
    "javascript:alert(1)",
    "/\x0d\x0aSet-Cookie: a=b",
    "/\t/elsewhere.example",
    "",
    "elsewhere",
    "/page#fragment",
]


@pytest.mark.parametrize("target", HOSTILE_TARGETS)
def test_signing_in_leads_nowhere_else(browser: httpx.Client, target: str) -> None:
    """A link to the sign-in page cannot make it a way to another site or out of the mount."""
    answer = sign_in(browser, target=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")


@given(st.text(st.sampled_from("/\\.%2eE:@?#&=;abc\t\n 流\x00"), max_size=12).map("/".__add__))
@example("//")
@example("/.%2e/")
def test_every_target_stays_inside_the_mount(target: str) -> None:
    """Resolved as a browser does, no target leaves the host or the mount."""
    base = "https://host.example/app/tracekit/sign-in"
    resolved = httpx.URL(base).join("." + re.sub("%2e", ".", safe_target(target), flags=re.IGNORECASE))
    assert resolved.host == "host.example"
    assert resolved.path.startswith("/app/tracekit/")


def test_ten_wrong_tokens_are_enough(browser: httpx.Client) -> None:
    """After that even the right token is refused for a while, and the answer says for how long."""
    for _ in range(10):
        assert sign_in(browser, "wrong").status_code == 401
    answer = sign_in(browser)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert "Try again" in answer.text


@pytest.fixture
def clock() -> list[float]:
    """A clock that stands until it is set."""
    return [1000.0]


def test_attempts_are_forgotten_after_five_minutes(clock: list[float]) -> None:
    """Whoever mistyped can try again later."""
    attempts = Attempts(lambda: clock[0])
    assert [attempts.admit("10.0.0.1") for _ in range(11)] == [0] * 10 + [301]
    clock[0] += 299
    assert attempts.admit("10.0.0.1") == 2
    clock[0] += 1
    assert attempts.admit("10.0.0.1") == 0


def test_other_addresses_are_not_kept_out(clock: list[float]) -> None:
    """One address that guesses does not lock the others out."""
    attempts = Attempts(lambda: clock[0])
    for _ in range(20):
        attempts.admit("10.0.0.1")
    assert attempts.admit("10.0.0.2") == 0


def test_many_addresses_together_are_limited_too(clock: list[float]) -> None:
    """Guessing from a new address each time ends at the limit over all of them, and takes no memory without end."""
    attempts = Attempts(lambda: clock[0])
    waits = [attempts.admit(f"10.0.{number // 250}.{number % 250}") for number in range(5000)]
    assert waits.count(0) == 200
    assert len(attempts._by_address) <= 1024


def test_success_clears_the_count(clock: list[float]) -> None:
    """Who knows the token is not punished for mistyping it before."""
    attempts = Attempts(lambda: clock[0])
    for _ in range(50):
        for _ in range(9):
            assert attempts.admit("10.0.0.1") == 0
        attempts.succeeded("10.0.0.1")
        clock[0] += 150


def test_a_form_that_is_too_long_is_refused(browser: httpx.Client) -> None:
    """The sign-in form takes what a form needs and no more."""
    assert browser.post("/sign-in", content=b"token=" + b"x" * 20_000, headers=OWN).status_code == 413
    assert browser.post("/sign-in", content=b"a=1&" * 100, headers=OWN).status_code == 422
    assert browser.post("/sign-in", data={"next": "/"}, headers=OWN).status_code == 422
