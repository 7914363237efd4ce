"""The console as a person uses it: signing in, finding, reading, changing, exporting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from admin_server import TOKEN, wait_until
from axe_core_python.sync_playwright import Axe
from chat_events import DONE, event
from playwright.sync_api import Page, expect
from trace_rows import START, Single, frames, write_trace

from tracekit import Recorder

SCREENS = ("", "traces", "stuck", "failures", "settings", "health")
TABS = ("summary", "conversation", "frames", "timeline", "graph", "raw")


ROWS = """() => {
    const rows = [...document.querySelectorAll(".frame")];
    const box = document.getElementById("frames").getBoundingClientRect();
    const seen = rows.some((row) => Math.abs(row.getBoundingClientRect().top - box.top) < 2 * row.clientHeight);
    const right = rows.every((row) => row.lastElementChild.textContent === `data: ${row.dataset.seq}\\\\n\\\\n`);
    return seen && right;
}"""
"""Whether rows stand in view, each with the frame of its number."""


def press(tab: Page, key: str) -> None:
    """Press a key on a page that is there as a whole, its scripts included."""
    tab.wait_for_load_state("load")
    tab.keyboard.press(key)


def a_trace(recorder: Recorder, **columns: Any) -> str:
    """A chat with a tool call and an answer."""
    call = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Oslo"}}
    timeline = [
        Single("request.received", {"method": "POST", "path": "/chat", "headers": {}}),
        Single("response.started", {"status": 200, "headers": {"content-type": "text/event-stream"}}),
        *(event(number) for number in range(1, 30)),
        Single("tool.started", call),
        Single("tool.finished", call | {"result": {"degrees": 7}, "duration_us": 120_000}),
        *(event(number) for number in range(30, 60)),
        DONE,
    ]
    facts = {
        "prompt_preview": "What is the weather in Oslo?", "model": "scripted-1", "session_id": "s-1", "frames": 60,
        "first_content_us": 60_000, "duration_ms": 1300, "output_tokens": 59, "tool_calls": 1, "framing": "sse",
    } | columns  # fmt: skip
    texts = {"prompt": "What is the weather in Oslo?", "answer": "It is 7 degrees."}
    return write_trace(recorder.database, timeline, texts=texts, **facts)


def test_a_stranger_signs_in_and_out(page: Page, address: str) -> None:
    """Whoever asks for a page is sent to sign in, and comes to that page; a wrong token is said to be one."""
    page.allowed.append("401")  # type: ignore[attr-defined]
    page.goto(f"{address}/traces?status=failed")
    expect(page).to_have_url(re.compile("sign-in"))
    page.fill("#token", "not the token at all")
    page.click("button.primary")
    expect(page.get_by_role("alert")).to_contain_text("not the admin token")
    page.fill("#token", TOKEN)
    page.click("button.primary")
    expect(page).to_have_url(f"{address}/traces?status=failed")
    page.click("text=Sign out")
    expect(page).to_have_url(re.compile("sign-in"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_screen_is_accessible(console: Page, recorder: Recorder, address: str, theme: str) -> None:
    """No rule of axe is broken on any screen or side of a trace, in either theme."""
    trace_id = a_trace(recorder, status="failed", end_reason="app_error", reason_code="TIMEOUT", error="too late")
    console.select_option("select[name=theme]", theme)
    expect(console.locator(f"html[data-theme={theme}]")).to_be_attached()
    paths = [*SCREENS, *(f"traces/{trace_id}?tab={tab}" for tab in TABS)]
    for path in paths:
        console.goto(f"{address}/{path}")
        broken = Axe().run(console)["violations"]
        assert [(path, rule["id"], [node["html"] for node in rule["nodes"]]) for rule in broken] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_screen_fits_a_narrow_window(console: Page, recorder: Recorder, address: str, language: str) -> None:
    """At 400 pixels nothing makes the page scroll sideways."""
    trace_id = a_trace(recorder)
    if language != "en":
        console.select_option("select[name=language]", language)
        expect(console.locator("html[lang^=zh]")).to_be_attached()
    console.set_viewport_size({"width": 400, "height": 800})
    for path in (*SCREENS, *(f"traces/{trace_id}?tab={tab}" for tab in TABS)):
        console.goto(f"{address}/{path}")
        width = console.evaluate("document.documentElement.scrollWidth")
        assert (path, width) == (path, 400)
    assert ("概览" in console.content()) == (language == "zh")


def test_the_six_sides_of_a_trace(console: Page, recorder: Recorder, address: str) -> None:
    """Each shows what it is for, and numbers lead from one to the next."""
    trace_id = a_trace(recorder)
    console.goto(f"{address}/traces")
    console.click("text=What is the weather in Oslo?")
    expect(console.locator("h1")).to_have_text("What is the weather in Oslo?")
    for number, (tab, shown) in enumerate(
        {
            "summary": "Events by type",
            "conversation": "It is 7 degrees.",
            "frames": "stream.frame",
            "timeline": "get_weather",
            "graph": "get_weather",
            "raw": "text/event-stream",
        }.items(),
        1,
    ):
        press(console, str(number))
        expect(console).to_have_url(f"{address}/traces/{trace_id}?tab={tab}")
        expect(console.locator("#trace")).to_contain_text(shown)


def test_filters_are_the_address_and_the_back_button_undoes_them(
    console: Page, recorder: Recorder, address: str
) -> None:
    """A filter can be linked to, and left again."""
    a_trace(recorder, status="failed", prompt_preview="broken one")
    a_trace(recorder, prompt_preview="whole one")
    console.goto(f"{address}/traces")
    press(console, "/")
    console.keyboard.type("status:failed")
    console.keyboard.press("Enter")
    expect(console.locator("#traces tbody tr")).to_have_count(1)
    assert "status%3Afailed" in console.url
    expect(console.locator("select[name=status]")).to_have_value("failed")
    console.go_back()
    expect(console.locator("#traces tbody tr")).to_have_count(2)
    for key in ("j", "j", "Enter"):
        press(console, key)
    expect(console.locator("h1")).to_have_text("broken one")
    press(console, "[")
    expect(console.locator("h1")).to_have_text("whole one")


def test_settings_are_changed_and_faults_stand_beside_their_fields(
    console: Page, recorder: Recorder, address: str
) -> None:
    """A value out of range changes nothing; a good one is in force, and its change is told of."""
    console.allowed.append("422")  # type: ignore[attr-defined]
    console.goto(f"{address}/settings")
    console.fill("#task_trace_max_events", "3")
    console.click("#task_trace_default_on")
    console.click("text=Save")
    expect(console.locator("#task_trace_max_events-fault")).to_contain_text("greater than or equal to 100")
    recorder.settings.refresh()
    assert not recorder.settings.current.task_trace_default_on
    console.fill("#task_trace_max_events", "3000")
    console.click("text=Save")
    expect(console.locator("#settings-said")).to_contain_text("Saved")
    recorder.settings.refresh()
    assert recorder.settings.current.task_trace_default_on
    assert recorder.settings.current.task_trace_max_events == 3000
    console.reload()
    expect(console.locator("text=task_trace_max_events").first).to_be_visible()
    expect(console.get_by_role("listitem").filter(has_text="task_trace_max_events")).to_contain_text("3000")


def test_two_people_do_not_undo_each_others_settings(console: Page, recorder: Recorder, address: str) -> None:
    """Who saves last over what has changed meanwhile is told so."""
    console.allowed.append("412")  # type: ignore[attr-defined]
    console.goto(f"{address}/settings")
    recorder.settings.update({"task_trace_retention_days": 9}, by="somebody")
    console.fill("#task_trace_max_events", "3000")
    console.click("text=Save")
    expect(console.locator("#settings-said")).to_contain_text("Somebody else")
    assert recorder.settings.current.task_trace_max_events != 3000


def test_clean_up_is_tried_before_it_is_done(console: Page, recorder: Recorder, address: str) -> None:
    """First how many traces and bytes, then their deletion."""
    old = [a_trace(recorder, closed=True) for _ in range(3)]
    console.goto(f"{address}/settings")
    console.fill("[name=days]", "10")
    console.click("text=Try without deleting")
    expect(console.locator("#cleanup-said")).to_contain_text("3 traces with")
    assert all(map(recorder.store.exists, old))
    console.click("text=Delete them")
    expect(console.locator("#cleanup-said")).to_contain_text("3 traces were deleted")
    assert not any(map(recorder.store.exists, old))


def test_an_export_is_downloaded(console: Page, recorder: Recorder, address: str, tmp_path: Path) -> None:
    """As a file with a name, in each format."""
    trace_id = a_trace(recorder)
    console.goto(f"{address}/traces/{trace_id}")
    for name in ("TXT", "JSONL", "SSE"):
        with console.expect_download() as download:
            console.click(f".exports >> text={name}")
        path = tmp_path / name
        download.value.save_as(path)
        assert trace_id in download.value.suggested_filename
        assert path.stat().st_size > 100


def test_an_answer_is_played_again(console: Page, recorder: Recorder, address: str) -> None:
    """At its own pace or faster, and then stands as it was."""
    trace_id = a_trace(recorder)
    console.goto(f"{address}/traces/{trace_id}?tab=conversation")
    expect(console.locator("#answer")).to_have_text("It is 7 degrees.")
    console.click("[data-speed='1']")
    expect(console.locator("#answer.growing")).to_be_attached()
    expect(console.locator("#answer")).not_to_have_text("")
    expect(console.locator("#answer:not(.growing)")).to_be_attached()
    expect(console.locator("#answer")).to_have_text("It is 7 degrees.")
    console.click("[data-speed='20']")
    expect(console.locator("#answer.growing")).to_be_attached()
    expect(console.locator("#answer:not(.growing)")).to_be_attached()


def test_a_hundred_thousand_events_are_read_like_ten(console: Page, recorder: Recorder, address: str) -> None:
    """Few rows on the page and few pages in memory wherever one scrolls; every number is where it should be."""
    trace_id = write_trace(recorder.database, frames(100_000), frames_per_block=256, frames=100_000)
    console.goto(f"{address}/traces/{trace_id}?tab=frames")
    expect(console.locator(".frame").first).to_contain_text("data: 1\\n\\n")
    for share in (0.25, 0.5, 1.0, 0.1):
        console.evaluate(
            "share => { const box = document.getElementById('frames'); box.scrollTop = share * box.scrollHeight }",
            share,
        )
        wait_until(lambda: console.evaluate(ROWS))
        assert console.locator(".frame").count() < 60
    console.fill("#go", "77777")
    console.keyboard.press("Enter")
    expect(console.locator(".frame.marked")).to_contain_text("data: 77777\\n\\n")


def test_jumps_lead_to_what_is_worth_a_look(console: Page, recorder: Recorder, address: str) -> None:
    """First content, the longest silence, each error; and a row opens what it holds."""
    timeline = [*frames(300), Single("error", {"type": "ValueError", "message": "bad"}), *frames(300)]
    trace_id = write_trace(recorder.database, timeline, first_content_us=100 * 20_000, frames=600)
    console.goto(f"{address}/traces/{trace_id}?tab=frames")
    console.click("[data-jump=content]")
    expect(console.locator(".frame.marked")).to_have_attribute("data-seq", re.compile("^(99|100|101)$"))
    console.click("[data-jump=error]")
    expect(console.locator(".frame.marked")).to_have_attribute("data-seq", "301")
    console.click(".frame.marked")
    expect(console.locator("#detail")).to_contain_text("ValueError")
    console.keyboard.press("ArrowDown")
    console.goto(f"{address}/traces/{trace_id}?tab=frames#seq-301")
    console.reload()
    expect(console.locator("#detail")).to_contain_text("ValueError")


HOSTILE = (
    "<script>document.title='pwned'</script>", "<img src=x onerror=\"document.title='pwned'\">",
    "javascript:document.title='pwned'", "<svg onload=\"document.title='pwned'\">", "\u202etxt.exe\u200b\u2066",
    "\x1b[2J\x1b]0;pwned\x07", "</script><script>document.title='pwned'</script>", "{{ 7 * 7 }}", "x" * 1_000_000,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:16]))
def test_what_was_recorded_is_shown_and_never_obeyed(
    console: Page, recorder: Recorder, address: str, text: str
) -> None:
    """In every place, no script runs, nothing is loaded, and nothing hides what stands beside it."""
    call = {"id": text[:200], "name": text[:200], "arguments": text, "result": text}
    body = b"data: " + text.encode().replace(b"\n", b"") + b"\n\n"
    timeline = [
        Single("request.received", {"path": text}),
        body,
        Single("tool.started", call),
        Single("tool.finished", call),
    ]
    names = ("prompt_preview", "session_id", "model", "actor", "path", "error", "reason_code", "answer_preview")
    trace_id = write_trace(
        recorder.database,
        timeline,
        texts=dict.fromkeys(("prompt", "answer", "reasoning"), text),
        status="failed",
        **dict.fromkeys(names, text[:500]),
    )
    for path in ("", "traces", "failures", *(f"traces/{trace_id}?tab={tab}" for tab in TABS)):
        console.goto(f"{address}/{path}")
        console.wait_for_timeout(40)
        assert "pwned" not in console.title() or "pwned" in text[:90]
        assert console.evaluate("document.title.startsWith('pwned')") is False
        shown = console.evaluate("document.body.textContent")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x1b\x07]", shown)


def test_a_page_that_cannot_be_shown_says_why(console: Page, recorder: Recorder, address: str) -> None:
    """A trace that was deleted, and a link that was cut off."""
    console.allowed += ["404", "422"]  # type: ignore[attr-defined]
    trace_id = a_trace(recorder)
    recorder.store.delete(trace_id)
    console.goto(f"{address}/traces/{trace_id}")
    expect(console.locator("main")).to_contain_text("It may have been deleted")
    console.goto(f"{address}/traces?cursor=cut-o")
    expect(console.locator("main")).to_contain_text("A link may have been cut off")
    console.click("text=To the overview")
    expect(console.locator("h1")).to_have_text("Overview")


def test_new_traces_are_announced_and_the_list_stays(console: Page, recorder: Recorder, address: str) -> None:
    """Until the reader asks for them."""
    a_trace(recorder, prompt_preview="the first")
    console.goto(f"{address}/traces")
    console.wait_for_timeout(1500)
    a_trace(recorder, prompt_preview="the second", started_at=START + 10)
    expect(console.locator("#news")).to_contain_text("1 new trace")
    expect(console.locator("#traces tbody tr")).to_have_count(1)
    console.click("#news a")
    expect(console.locator("#traces tbody tr")).to_have_count(2)
