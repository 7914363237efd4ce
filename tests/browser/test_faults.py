"""What a person sees when something goes away while a page is open, and what is there to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from admin_server import TOKEN, serving, wait_until
from playwright.sync_api import Page, expect
from trace_rows import frames, write_trace

from tracekit import Recorder
from tracekit_admin import Admin


def test_a_session_that_has_ended_is_said_to_have_and_is_begun_again(
    console: Page, recorder: Recorder, address: str
) -> None:
    """What was typed stands there still; after signing in one is where one wanted to be."""
    console.allowed.append("401")  # type: ignore[attr-defined]
    console.goto(f"{address}/settings")
    console.context.clear_cookies()
    console.fill("#task_trace_max_events", "3000")
    console.click("text=Save")
    expect(console.locator("#settings-said")).to_contain_text("the session has ended")
    expect(console.locator("#task_trace_max_events")).to_have_value("3000")
    console.select_option("select[name=theme]", "dark")
    console.fill("#token", TOKEN)
    console.click("button.primary")
    console.goto(f"{address}/traces")
    console.context.clear_cookies()
    console.click("nav >> text=Failures")
    console.fill("#token", TOKEN)
    console.click("button.primary")
    expect(console).to_have_url(f"{address}/failures")


@contextmanager
def database_away(recorder: Recorder) -> Iterator[None]:
    """A folder where the database file was, which comes back in the end."""
    path = recorder.database.path()
    assert path is not None
    recorder.flush()
    recorder.database.close()
    aside = path.with_name("aside")
    aside.mkdir()
    for file in [*path.parent.glob(path.name + "*")]:
        shutil.move(file, aside / file.name)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        for file in aside.iterdir():
            shutil.move(file, path.parent / file.name)
        recorder.database.close()


@pytest.fixture
def trace_id(recorder: Recorder) -> str:
    """A trace of some length."""
    return write_trace(recorder.database, frames(5_000), frames_per_block=100, framing="sse", closed=True)


def test_a_database_that_goes_away_under_an_open_page(
    console: Page, recorder: Recorder, address: str, trace_id: str
) -> None:
    """The page says so where it needs it, every other leads to the health page, and all comes back with it."""
    console.allowed.append("503")  # type: ignore[attr-defined]
    console.goto(f"{address}/traces/{trace_id}?tab=frames")
    expect(console.locator(".frame").first).to_contain_text("data: 1\\n\\n")
    with database_away(recorder):
        console.fill("#go", "4000")
        console.keyboard.press("Enter")
        expect(console.locator("#position")).to_contain_text("atabase", timeout=20_000)
        console.goto(f"{address}/traces")
        expect(console.locator("h2")).to_have_text("The database cannot be used now")
        console.click("text=To the health page")
        expect(console.locator("h1")).to_contain_text("Health")
        expect(console.locator("main")).to_contain_text("which cannot be used now")
    wait_until(lambda: recorder.store.exists(trace_id))
    console.goto(f"{address}/traces/{trace_id}?tab=frames#seq-4000")
    expect(console.locator(".frame.marked")).to_contain_text("data: 4000\\n\\n")


def test_a_server_that_goes_away_under_an_open_page(page: Page, recorder: Recorder, trace_id: str) -> None:
    """A page that listens says that it hears nothing, and one that asks says that nobody answers."""
    page.allowed.append("ERR_")  # type: ignore[attr-defined]
    with serving(Admin(recorder), timeout_graceful_shutdown=1) as address:
        page.goto(f"{address}/traces")
        page.fill("#token", TOKEN)
        page.click("button.primary")
        page.wait_for_selector("#traces")
        frames_page = page.context.new_page()
        frames_page.goto(f"{address}/traces/{trace_id}?tab=frames")
        expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#lost")).to_be_visible()
    frames_page.fill("#go", "4000")
    frames_page.keyboard.press("Enter")
    expect(frames_page.locator("#position")).to_have_text("The server does not answer.")
