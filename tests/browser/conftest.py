"""A real browser before a real server. Where no Chromium is found these tests are skipped, and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from admin_server import TOKEN, recording_into, serving
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import make_url

from tracekit import Recorder
from tracekit_admin import Admin

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


# Playwright keeps an event loop running in this thread for as long as it lives: the next file's tests, which run loops
# of their own, must find it gone.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. `TRACEKIT_REQUIRE_BROWSER=1` makes a missing one a failure."""
    if CHROMIUM is None:
        if os.environ.get("TRACEKIT_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium was found, and TRACEKIT_REQUIRE_BROWSER=1 asks for one")
        pytest.skip("no Chromium was found: apt-get install chromium, or name it with CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab in a browser of its own, 1280 by 860. A test fails where its pages ran into an error or broke the policy,
    but for the answers that it asked to be allowed: `page.allowed.append("404")`."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    context.set_default_timeout(15_000)
    told: list[str] = []
    context.on("page", lambda tab: listen(tab, told))
    tab = context.new_page()
    tab.allowed = []  # type: ignore[attr-defined]
    yield tab
    allowed: list[str] = tab.allowed  # type: ignore[attr-defined]
    context.close()
    assert [text for text in told if not any(word in text for word in allowed)] == []


def listen(tab: Page, told: list[str]) -> None:
    """Note what a browser complains of."""
    tab.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: told.append(str(error)))


@pytest.fixture
def recorder(sqlite_template: Path, sqlite_url: str) -> Iterator[Recorder]:
    """A recorder on SQLite, with an admin token, on."""
    shutil.copyfile(sqlite_template, str(make_url(sqlite_url).database))
    settings = {"task_trace_enabled": True, "task_trace_retention_days": 0}
    with recording_into(sqlite_url, admin_token=TOKEN, settings=settings) as recorder:
        yield recorder


@pytest.fixture
def address(recorder: Recorder) -> Iterator[str]:
    """Where the console is served, under a mount."""
    with ExitStack() as stack:
        yield stack.enter_context(serving(Admin(recorder)))


@pytest.fixture
def console(address: str, page: Page) -> Page:
    """A tab of somebody who has signed in, on the overview."""
    page.goto(f"{address}/")
    page.fill("#token", TOKEN)
    page.click("button.primary")
    page.wait_for_selector("main h1")
    return page
