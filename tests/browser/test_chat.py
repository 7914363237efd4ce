"""The demo's chat page beside a console that another process serves than the one that records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_server import TOKEN, recording_into, serving
from browser.demo_site import demo
from playwright.sync_api import Page, expect

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


def test_an_answer_is_watched_from_another_process_while_it_grows(elsewhere: str, chat: str, page: Page) -> None:
    """Text appears as it is sent, the page follows until one scrolls up, and in the end says how it ended."""
    page.goto(chat)
    watcher = page.context.new_page()
    sign_in(watcher, f"{elsewhere}/")
    ask(page, "Think hard about silence")
    watcher.goto(f"{elsewhere}/traces?status=running")
    for _ in range(20):
        if watcher.locator("#traces tbody tr").count():
            break
        watcher.wait_for_timeout(200)
        watcher.reload()
    watcher.click("#traces tbody tr a")
    watcher.click(".tabs >> text=Conversation")
    expect(watcher.locator("#live")).to_be_visible()
    expect(watcher.locator("#reasoning")).not_to_have_text("")
    lengths = set()
    for _ in range(40):
        lengths.add(len(watcher.locator("#answer").inner_text()))
        if len(lengths) > 3:
            break
        watcher.wait_for_timeout(200)
    assert len(lengths) > 3, "the answer does not grow"
    expect(watcher.locator("#follow")).to_have_attribute("aria-pressed", "true")
    watcher.mouse.wheel(0, -200)
    expect(watcher.locator("#follow")).to_have_attribute("aria-pressed", "false")
    expect(watcher.locator("#ending")).to_contain_text("completed", timeout=20_000)
    said = page.locator(".answer .text").inner_text()
    expect(watcher.locator("#answer")).to_have_text(re.compile(re.escape(said[:60])))


def test_frames_arrive_while_one_looks(elsewhere: str, chat: str, page: Page) -> None:
    """The last row is the latest event; when the trace has ended, the last one is its end."""
    page.goto(chat)
    watcher = page.context.new_page()
    sign_in(watcher, f"{elsewhere}/")
    ask(page, "What is streaming?")
    expect(page.locator(".facts .trace")).to_be_visible()
    trace_id = re.findall("[0-9a-f]{32}", page.locator(".facts .trace").get_attribute("href") or "")[0]
    page.wait_for_timeout(700)
    watcher.goto(f"{elsewhere}/traces/{trace_id}?tab=frames")
    before = int(watcher.locator(".frame").last.get_attribute("data-seq") or 0)
    watcher.wait_for_timeout(1000)
    assert int(watcher.locator(".frame").last.get_attribute("data-seq") or 0) > before
    expect(watcher.locator("#ending")).to_contain_text("completed", timeout=20_000)


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
