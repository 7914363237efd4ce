"""One trace in a browser: while it runs, when it is odd, and when parts of it are missing."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from chat_events import DONE, event
from playwright.sync_api import Page, expect
from trace_rows import Frame, Single, frames, write_trace

from tracekit import Recorder, json_text
from tracekit.types import Cut

EMPTY_ROWS = ".frame:not(:has(:nth-child(6)))"


def log_many(trace: Any, recorder: Recorder, first: int, count: int) -> None:
    """Numbered events, written to the database."""
    for number in range(first, first + count):
        trace.log("note.made", n=number)
    recorder.flush()


def last_shown(tab: Page) -> int:
    return int(tab.locator(".frame").last.get_attribute("data-seq") or 0)


def test_a_long_trace_that_runs_is_followed_from_its_newest_event(
    console: Page, recorder: Recorder, address: str
) -> None:
    """The page opens at the end, goes on with the trace, and shows every row of what came before."""
    with recorder.trace("job") as trace:
        log_many(trace, recorder, 1, 450)
        console.goto(f"{address}/traces/{trace.trace_id}?tab=frames")
        expect(console.locator("#position")).to_contain_text(re.compile("of 45[01]"))
        assert last_shown(console) >= 450
        log_many(trace, recorder, 451, 300)
        expect(console.locator("#position")).to_contain_text(re.compile("of 75[01]"))
        assert last_shown(console) >= 750
        expect(console.locator(EMPTY_ROWS)).to_have_count(0)
        console.hover("#frames")
        for _ in range(30):
            console.mouse.wheel(0, -900)
            expect(console.locator(EMPTY_ROWS)).to_have_count(0)
        expect(console.locator("#follow")).to_have_attribute("aria-pressed", "false")
        assert console.locator(".frame").first.get_attribute("data-seq") == "1"
        log_many(trace, recorder, 751, 10)
        expect(console.locator("#position")).to_contain_text(re.compile("of 76[01]"))
        assert console.locator(".frame").first.get_attribute("data-seq") == "1"


def test_errors_that_happen_while_one_looks_are_found(console: Page, recorder: Recorder, address: str) -> None:
    """The jump to the next error knows those that came after the page was opened."""
    with recorder.trace("job") as trace:
        log_many(trace, recorder, 1, 5)
        console.goto(f"{address}/traces/{trace.trace_id}?tab=frames")
        console.click("[data-jump=error]")
        expect(console.locator("#position")).to_have_text("There is none.")
        trace.log("error", type="ValueError", message="it broke")
        recorder.flush()
        expect(console.locator(".frame.bad")).to_be_visible()
        console.click("[data-jump=error]")
        expect(console.locator(".frame.marked")).to_contain_text("it broke")


@pytest.mark.parametrize(("typed", "there"), [("999999", "300"), ("-3", "1"), ("2.4", "2"), ("0", "1")])
def test_a_number_that_there_is_not_leads_to_the_nearest(
    console: Page, recorder: Recorder, address: str, typed: str, there: str
) -> None:
    """Typed or in the address."""
    trace_id = write_trace(recorder.database, frames(300))
    console.goto(f"{address}/traces/{trace_id}?tab=frames")
    console.fill("#go", typed)
    console.keyboard.press("Enter")
    expect(console.locator(".frame.marked")).to_have_attribute("data-seq", there)
    console.goto(f"{address}/traces/{trace_id}?tab=frames#seq-999999")
    console.reload()
    expect(console.locator("#detail")).to_contain_text("#300")


def test_an_event_is_what_its_type_says_whatever_it_holds(console: Page, recorder: Recorder, address: str) -> None:
    """Facts called bytes, text or cut make no frame of it, and nothing of the page is lost to a value of a wrong
    type."""
    odd: list[Any] = [
        Single("log", {"bytes": 5, "text": {"a": 1}, "cut": True}),
        Single("log", {"text": 7}),
        Single("log", {"bytes": "many", "base64": ["x"]}),
        Single("stream.frame", {"text": ["no", "text"], "bytes": "x"}),
        Single("log", None),
    ]
    trace_id = write_trace(recorder.database, [*frames(3), *odd, *frames(3)], framing="sse")
    console.goto(f"{address}/traces/{trace_id}?tab=frames")
    expect(console.locator(".frame")).to_have_count(11)
    expect(console.locator(EMPTY_ROWS)).to_have_count(0)
    row = console.locator(".frame[data-seq='4']")
    expect(row).to_contain_text('{"bytes":5,"text":{"a":1},"cut":true}')
    expect(row).not_to_contain_text("masked")
    for seq in range(1, 12):
        console.click(f".frame[data-seq='{seq}']")
        expect(console.locator("#detail h2")).to_contain_text(f"#{seq} ")
    console.click(".frame[data-seq='7']")
    expect(console.locator("#detail pre")).to_contain_text('"no"')


def test_text_that_is_no_unicode_is_shown_on_every_side(console: Page, recorder: Recorder, address: str) -> None:
    """A lone surrogate in what the app said of itself."""
    odd = {"path": "/chat", "note": "half a pair: \ud83d."}
    timeline = [Single("request.received", odd), *frames(2)]
    trace_id = write_trace(recorder.database, timeline, metadata=json_text.encode(odd))
    for tab in ("summary", "conversation", "frames", "timeline", "graph", "raw"):
        console.goto(f"{address}/traces/{trace_id}?tab={tab}")
        expect(console.locator("#trace")).to_be_visible()
    expect(console.locator("#trace")).to_contain_text("half a pair")


def test_after_a_replay_the_stored_answer_stands_again(console: Page, recorder: Recorder, address: str) -> None:
    """What is played has only the frames that were stored whole; the page says how many were not."""
    cut = [Frame(event(number)[:20], cut=Cut(200, "0" * 64)) for number in range(3)]
    call = {"id": "c", "name": "look", "arguments": {"at": "this"}}
    timeline = [*(event(number) for number in range(1, 60)), *cut, Single("tool.started", call), DONE]
    texts = {"answer": "The whole answer.", "reasoning": "A thought."}
    trace_id = write_trace(recorder.database, timeline, texts=texts, framing="sse")
    console.goto(f"{address}/traces/{trace_id}?tab=conversation")
    console.click("[data-speed='1']")
    expect(console.locator("#answer.growing")).to_contain_text("1 2 3")
    expect(console.locator("#answer:not(.growing)")).to_have_text("The whole answer.")
    expect(console.locator("#reasoning")).to_have_text("A thought.")
    expect(console.locator("#tools h2")).to_contain_text("look")
    expect(console.locator("#left-out")).to_have_text("Frames that were stored cut or masked are left out: 3.")


def test_nothing_to_replay_takes_nothing_away(console: Page, recorder: Recorder, address: str) -> None:
    """A trace whose frames no decoder reads keeps the text that is stored."""
    trace_id = write_trace(recorder.database, [Single("log", {"n": 1})], texts={"answer": "Said in code."})
    console.goto(f"{address}/traces/{trace_id}?tab=conversation")
    console.click("[data-speed='1']")
    expect(console.locator("#clock")).to_contain_text("nothing to play")
    expect(console.locator("#answer")).to_have_text("Said in code.")


def test_ten_tabs_are_open_at_once(console: Page, recorder: Recorder, address: str) -> None:
    """A browser has six connections to a host. Tabs that are not looked at hold none, and listen when they are."""
    tabs = [console.context.new_page() for _ in range(9)]
    for tab in tabs:
        tab.goto(f"{address}/traces")
        leave(tab)
    console.goto(f"{address}/traces")
    expect(console.locator("h1")).to_have_text("Traces")
    write_trace(recorder.database, frames(1), prompt_preview="new one", started_at=time.time_ns() // 1000)
    expect(console.locator("#news")).to_contain_text("1 new trace")
    leave(console)
    come_back(tabs[0])
    expect(tabs[0].locator("#news")).to_contain_text("1 new trace")


def leave(tab: Page) -> None:
    """What a browser does when another tab is chosen; one without a screen shows all of them."""
    tab.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def come_back(tab: Page) -> None:
    tab.evaluate("delete document.hidden")
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
