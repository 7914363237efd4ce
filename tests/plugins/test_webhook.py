"""Alerts posted to somebody else's server, which may be slow, broken, or not allowed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from admin_server import wait_until

from tracekit.alerts import Alert
from tracekit.plugins import PluginHost
from tracekit_webhook import Webhook, plugin
from tracekit_webhook.sender import Sender
from tracekit_webhook.targets import Targets

ALERT = Alert("disk_short", "The disk is nearly full.", "12 MB free at /data", raised_at=1_750_000_000_000_000)
HOSTS = ["127.0.0.1"]


class Receiver:
    """A server that takes what is posted; the first answers have the statuses that it is given."""

    def __init__(self, *statuses: int, delay_s: float = 0) -> None:
        self.posted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.tries = 0
        answers = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.tries += 1
                document = json.loads(self.rfile.read(int(self.headers["content-length"])))
                time.sleep(delay_s)
                status = answers.pop(0) if answers else 204
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()
                if status == 204:
                    receiver.posted.append(document)
                    receiver.paths.append(self.path)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"


@contextmanager
def receiving(*statuses: int, delay_s: float = 0) -> Iterator[Receiver]:
    receiver = Receiver(*statuses, delay_s=delay_s)
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


def impatient(webhook: Webhook) -> Webhook:
    webhook.sender = Sender(webhook.targets.urls, pause_s=0.01)
    return webhook


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    plugin._configured.cache_clear()
    yield
    plugin._configured.cache_clear()


def test_an_alert_is_posted_as_json_when_it_is_raised_and_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the installed plugin, configured by the environment alone."""
    with receiving() as receiver:
        monkeypatch.setenv("TRACEKIT_WEBHOOK_URLS", receiver.url)
        monkeypatch.setenv("TRACEKIT_WEBHOOK_ALLOWED_HOSTS", "127.0.0.1")
        host = PluginHost()
        assert host.problems == []
        host.alert(ALERT)
        host.alert(Alert(ALERT.rule, ALERT.title, ALERT.detail, ALERT.raised_at, ALERT.raised_at + 5_000_000))
        wait_until(lambda: len(receiver.posted) == 2)
    raised, over = receiver.posted
    assert (raised["state"], over["state"]) == ("raised", "over")
    assert (raised["rule"], raised["detail"]) == ("disk_short", "12 MB free at /data")
    assert (raised["raised_at"], over["cleared_at"]) == (
        "2025-06-15T15:06:40.000+00:00",
        "2025-06-15T15:06:45.000+00:00",
    )
    assert receiver.paths == ["/hook?key=1"] * 2


def test_without_an_address_nothing_is_posted_and_no_thread_is_made() -> None:
    """The plugin is installed with tracekit, so it must not do anything by itself."""
    before = threading.active_count()
    PluginHost().alert(ALERT)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://10.0.0.1/x?secret=y", "'10.0.0.1' is not among TRACEKIT_WEBHOOK_ALLOWED_HOSTS"),
        ("http://127.0.0.1.evil.example/", "not among"),
        ("http://127.0.0.1@evil.example/", "'evil.example' is not among"),
        ("file:///etc/passwd", "not of http or https"),
        ("http://127.0.0.1:port/", "malformed"),
        ("http://[::1/", "malformed"),
        ("nonsense", "not of http or https"),
    ],
)
def test_a_host_that_is_not_allowed_is_never_called_and_is_told(url: str, problem: str) -> None:
    """By its name alone, since such an address holds a key."""
    targets = Targets.of([url], HOSTS)
    assert targets.urls == ()
    assert problem in targets.problems[0]
    assert "secret" not in targets.problems[0]


def test_without_a_list_of_hosts_no_host_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed by default; health and `tracekit doctor` say so."""
    monkeypatch.setenv("TRACEKIT_WEBHOOK_URLS", "https://hooks.example/x https://127.0.0.1/y")
    assert len(PluginHost().problems) == 2


def test_a_server_that_fails_is_tried_again() -> None:
    """Twice; then it is given up, counted and logged, and the next alert is posted all the same."""
    with receiving(500, 503, 204, 500, 500, 500) as receiver:
        webhook = impatient(Webhook([receiver.url], HOSTS))
        for _ in range(3):
            webhook.tracekit_alert(ALERT)
        wait_until(lambda: len(receiver.posted) == 2)
        assert (receiver.tries, webhook.sender.failed) == (7, 1)


def test_a_redirect_is_not_followed() -> None:
    """It would lead to a host that nobody allowed."""
    with receiving(302, 302, 302) as receiver:
        webhook = impatient(Webhook([receiver.url], HOSTS))
        webhook.tracekit_alert(ALERT)
        wait_until(lambda: webhook.sender.failed == 1)
        assert (receiver.tries, receiver.posted) == (3, [])


def test_a_server_that_is_slow_or_gone_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    """The hook returns at once, and what cannot wait is counted."""
    with receiving(delay_s=0.3) as receiver:
        webhook = impatient(Webhook([receiver.url], HOSTS))
        began = time.monotonic()
        for _ in range(150):
            webhook.tracekit_alert(ALERT)
        assert time.monotonic() - began < 0.3
        assert 45 <= webhook.sender.failed <= 50
    gone = impatient(Webhook(["http://127.0.0.1:9/"], HOSTS))
    gone.tracekit_alert(ALERT)
    wait_until(lambda: gone.sender.failed == 1)
    assert "an alert was not posted" in caplog.text
