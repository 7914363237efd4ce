"""The demo's chat page beside a console that another process serves than the one that records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from admin_server import BEARER, TOKEN, recording_into, serving, wait_until
from browser.demo_site import demo
from playwright.sync_api import Page, expect
from serving import serve_in_process

from tracekit_admin import Admin


@pytest.fixture
def chat(sqlite_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a chat that is recorded."""
    with demo(sqlite_url, tmp_path) as address:
        yield address


@pytest.fixture
def elsewhere(chat: str, sqlite_url: str) -> Iterator[str]:
    """The address of a console in another process, over the same database."""
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder, serving(Admin(recorder)) as address:
        yield address


def sign_in(tab: Page, console: str) -> None:
    tab.goto(console)
    tab.fill("#token", TOKEN)
    tab.click("button.primary")
    expect(tab.locator("main h1")).to_be_visible()


def ask(tab: Page, text: str) -> None:
    tab.fill("#prompt", text)
    tab.click("#send")


def test_the_switch_is_for_who_may_see_traces(chat: str, page: Page) -> None:
    """Hidden before signing in; then it begins as the settings say, is remembered, and decides what is recorded."""
    page.goto(chat)
    switch = page.locator("tracekit-switch")
    expect(page.locator("#record")).to_be_visible()
    expect(switch).to_be_hidden()
    sign_in(page, f"{chat}/tracekit/")
    page.goto(chat)
    expect(switch).to_contain_text("Record full task log (may affect performance)")
    expect(page.locator("#record")).to_be_hidden()
    expect(switch.locator("input")).not_to_be_checked()
    ask(page, "What is streaming?")
    expect(page.locator(".facts").last).to_contain_text("not recorded")
    page.click("#stop")
    switch.locator("input").check()
    page.reload()
    expect(switch.locator("input")).to_be_checked()
    ask(page, "What is streaming?")
    expect(page.locator(".facts .trace")).to_be_visible()
    page.click("#stop")


@contextmanager
def long_answer(database_url: str) -> Iterator[str]:
    """An answer that another process streams until the block ends, when the server is stopped; gives its trace id."""
    settings = {"TASK_TRACE_ENABLED": "true", "TASK_TRACE_ADMIN_ONLY": "false", "TASK_TRACE_DEFAULT_ON": "true"}
    with (
        serve_in_process(
            "live_app:chat", "--timeout-graceful-shutdown", "1", TRACEKIT_DATABASE_URL=database_url, **settings
        ) as server,
        httpx.stream("GET", f"{server.url}/stream/4000/50", timeout=60) as answer,
    ):
        yield answer.headers["x-trace-id"]
        server.end()


@pytest.fixture
def over_the_same(sqlite_url: str) -> Iterator[str]:
    """The address of a console over the database of the test."""
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder, serving(Admin(recorder)) as address:
        yield address


def test_an_answer_is_watched_from_another_process_while_it_grows(
    over_the_same: str, sqlite_url: str, page: Page
) -> None:
    """Text appears as it is sent, the page follows until one scrolls up, and in the end says how it ended."""
    sign_in(page, f"{over_the_same}/")
    with long_answer(sqlite_url) as trace_id:
        wait_until(lambda: is_written(over_the_same, trace_id))
        page.goto(f"{over_the_same}/traces/{trace_id}?tab=conversation")
        expect(page.locator("#live")).to_be_visible()
        answer = page.locator("#answer")
        expect(answer).to_contain_text("0 1 2 3 4 5 6 7 8 9 10 ")
        last = int(answer.inner_text().split()[-1])
        expect(answer).to_contain_text(f" {last + 20} ")
        expect(page.locator("#follow")).to_have_attribute("aria-pressed", "true")
        page.mouse.wheel(0, -200)
        expect(page.locator("#follow")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#ending")).to_contain_text("server cancelled", timeout=20_000)
    expect(answer).to_contain_text(f" {last + 20} ")


def test_frames_arrive_while_one_looks(over_the_same: str, sqlite_url: str, page: Page) -> None:
    """The last row is the latest event; when the trace has ended, the last one is its end."""
    sign_in(page, f"{over_the_same}/")
    with long_answer(sqlite_url) as trace_id:
        wait_until(lambda: is_written(over_the_same, trace_id))
        page.goto(f"{over_the_same}/traces/{trace_id}?tab=frames")
        wait_until(lambda: last_shown(page) > 30)
        before = last_shown(page)
        wait_until(lambda: last_shown(page) > before + 20)
    expect(page.locator("#ending")).to_contain_text("server cancelled", timeout=20_000)


def is_written(console: str, trace_id: str) -> bool:
    """Whether a trace stands in the database."""
    return httpx.get(f"{console}/api/task-trace/{trace_id}", headers=BEARER).status_code == 200


def last_shown(tab: Page) -> int:
    """The number of the last event on a page of frames."""
    return int(tab.evaluate("[...document.querySelectorAll('.frame')].at(-1)?.dataset.seq ?? 0"))


def test_a_changed_setting_is_in_force_for_the_next_chat(elsewhere: str, chat: str, page: Page) -> None:
    """Changed in one process, obeyed by the other within two seconds."""
    watcher = page.context.new_page()
    sign_in(watcher, f"{elsewhere}/settings")
    watcher.click("#task_trace_enabled")
    watcher.click("text=Save")
    expect(watcher.locator("#settings-said")).to_contain_text("Saved")
    page.wait_for_timeout(2000)
    page.goto(chat)
    ask(page, "What is streaming?")
    expect(page.locator(".facts").last).to_contain_text("not recorded")
    page.click("#stop")
