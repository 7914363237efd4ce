"""`python -m browser.screenshots FOLDER`: the pictures of the README, taken of a demo that was used a little."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from admin_server import TOKEN
from browser.conftest import CHROMIUM
from browser.demo_site import demo
from playwright.sync_api import Page, sync_playwright

import tracekit
from tracekit import Recorder

PROMPTS = (
    "What is streaming?", "What is the weather in Oslo?", "Fail half-way, please", "用中文介绍一下流式回答",
    "Think hard about silence", "What is the weather in Lisbon?",
)  # fmt: skip

SETTINGS = {"task_trace_enabled": True, "task_trace_default_on": True, "task_trace_admin_only": False}


def jobs(database_url: str) -> None:
    """Runs with steps, that end well and badly."""
    recorder = Recorder(database_url, settings=SETTINGS)
    asyncio.run(recorder.started())
    for number in range(4):
        with suppress(ConnectionError), recorder.trace("nightly report"):
            with tracekit.span("render", layer="L2"):
                time.sleep(0.02)
            if number % 2:
                raise ConnectionError("the mail server refused the connection")
    with recorder.trace("import customers"):
        with tracekit.span("plan", layer="L1"):
            time.sleep(0.06)
        with tracekit.span("fetch pages", layer="L2", kind="browser"):
            for page in ("page 1", "page 2", "page 3"):
                with tracekit.span(page, layer="L3", kind="browser"):
                    time.sleep(0.04)
            with tracekit.tool_call("search", {"q": "customers"}) as call:
                time.sleep(0.05)
                call.result = {"found": 3}
        with suppress(TimeoutError), tracekit.span("write rows", layer="L2"):
            time.sleep(0.05)
            raise TimeoutError("the database did not answer")
    recorder.shutdown()


def chats(page: Page, chat: str) -> None:
    """Talk to the scripted model."""
    page.goto(chat)
    for prompt in PROMPTS:
        page.fill("#prompt", prompt)
        page.click("#send")
        page.wait_for_selector("#send:not([disabled])")
    page.wait_for_timeout(800)


def pictures(page: Page, chat: str, folder: Path) -> None:
    """Sign in, go round, and take a picture of each screen."""
    console = f"{chat}/tracekit/"
    page.goto(console)
    page.fill("#token", TOKEN)
    page.click("button.primary")
    listed = page.request.get(f"{console}api/task-trace").json()["items"]
    talk = next(trace["trace_id"] for trace in listed if trace["tool_calls"] and trace["frames"] > 20)
    job = next(trace["trace_id"] for trace in listed if trace["name"] == "import customers")
    for name, path in {
        "overview": "?hours=1",
        "traces": "traces",
        "conversation": f"traces/{talk}?tab=conversation",
        "frames": f"traces/{talk}?tab=frames",
        "timeline": f"traces/{job}?tab=timeline",
        "failures": "failures",
    }.items():
        page.goto(console + path)
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}.png")


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        database_url = f"sqlite:///{name}/demo.db"
        with demo(database_url, Path(name)) as chat:
            jobs(database_url)
            photograph(chat, folder)


def photograph(chat: str, folder: Path) -> None:
    """Use the demo in a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 760}, locale="en-GB")
        page.set_default_timeout(60_000)
        chats(page, chat)
        pictures(page, chat, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
