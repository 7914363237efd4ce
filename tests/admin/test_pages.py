"""The pages: what a person sees, and that nothing recorded can do more than be seen."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from admin_server import TOKEN, operations, path_of
from trace_rows import START, Single, frames, write_trace

import tracekit_admin
from tracekit import Recorder
from tracekit_admin.console.trace_page import TABS

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "</td></table><h1>",
    "\u202egnp.exe\u200b",
    "\x1b[2J",
]


@pytest.fixture
def page(admin: httpx.Client) -> httpx.Client:
    """A client that may see the pages."""
    admin.headers["Accept"] = "text/html"
    return admin


class _Tags(HTMLParser):
    """The tags and attributes of a page, as a browser would make them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_the_list_shows_the_newest_traces(page: httpx.Client, recorder: Recorder) -> None:
    """With what they asked, how they ended, how long they took; their own page links to their exports."""
    trace_id = write_trace(
        recorder.database,
        frames(12),
        prompt_preview="今天天气?",
        session_id="s-1",
        model="gpt-x",
        duration_ms=2500,
        first_content_us=310_000,
        output_tokens=1234,
        status="failed",
        end_reason="app_error",
    )
    text = page.get("/traces").text
    for shown in (
        "今天天气?",
        "s-1",
        "gpt-x",
        "2.50 s",
        "310.0 ms",
        "1,234",
        "failed",
        "app error",
        "2023-11-14 22:13:20",
    ):
        assert shown in text
    assert f'href="./traces/{trace_id}"' in text
    own = page.get(f"/traces/{trace_id}").text
    for name in ("txt", "jsonl", "sse"):
        assert f'href="../api/task-trace/{trace_id}/export?format={name}"' in own


def test_the_list_goes_on_to_older_traces(page: httpx.Client, recorder: Recorder) -> None:
    """Fifty on a page, and every trace on one of them."""
    written = {write_trace(recorder.database, started_at=START + number) for number in range(60)}
    first = page.get("/traces")
    older = re.search(r'href="(\./traces\?cursor=[^"]+)" rel="next"', first.text)
    assert older is not None
    second = page.get(first.url.join(older[1]))
    shown = [set(re.findall(r'data-trace="([0-9a-f]{32})"', text)) for text in (first.text, second.text)]
    assert (len(shown[0]), len(shown[1])) == (50, 10)
    assert shown[0] | shown[1] == written
    assert 'rel="next"' not in second.text


def test_without_traces_the_page_says_what_to_do(page: httpx.Client, recorder: Recorder) -> None:
    """Recording is off, nothing asked for it yet, or nothing matches: three different next steps."""
    for path in ("/", "/traces"):
        assert "Open the settings" in page.get(path).text
        assert "task_trace_admin_only=false" in page.get(path).text
    page.put("/api/settings/system", json={"task_trace_enabled": True}).raise_for_status()
    for path in ("/", "/traces"):
        text = page.get(path).text
        assert "traceEnabled" in text
        assert "task_trace_admin_only=false" in text
        assert "Open the settings" not in text
    page.put("/api/settings/system", json={"task_trace_admin_only": False}).raise_for_status()
    assert "admin_only" not in page.get("/traces").text
    page.put("/api/settings/system", json={"task_trace_env": "prod"}).raise_for_status()
    assert "task_trace_env=prod" in page.get("/traces").text
    page.put("/api/settings/system", json={"task_trace_env": "both", "task_trace_default_on": True}).raise_for_status()
    assert "Send a chat." in page.get("/traces").text
    write_trace(recorder.database)
    assert "traceEnabled" not in page.get("/traces").text
    assert "Show all traces" in page.get("/traces", params={"keyword": "nobody said this"}).text


def test_recorded_text_is_shown_and_not_obeyed(page: httpx.Client, recorder: Recorder) -> None:
    """Escaped in every place, and freed of characters that turn or hide what stands beside them."""
    harmless = [sorted(_Tags(html).tags) for html in _pages_with(page, recorder, "x")]
    for text in HOSTILE:
        for html, tags in zip(_pages_with(page, recorder, text), harmless, strict=True):
            found = _Tags(html)
            assert sorted(found.tags) == tags
            assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
            links = [value or "" for name, value in found.attributes if name in ("href", "src", "action")]
            assert not [link for link in links if link.startswith("javascript:")]
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x1b\x00]", html)


def _pages_with(page: httpx.Client, recorder: Recorder, text: str) -> list[str]:
    """The pages on which one trace is shown that holds a text wherever it can."""
    names = (
        "prompt_preview", "answer_preview", "session_id", "message_id", "path", "model", "name", "actor", "end_reason",
        "status", "error", "reason_code", "enabled_by", "environment", "client", "content_type", "wire_format",
        "finish_reason", "method",
    )  # fmt: skip
    trace_id = write_trace(
        recorder.database,
        [*frames(2), Single("tool.started", {"id": text, "name": text}), Single(text, {"x": text})],
        texts=dict.fromkeys(("prompt", "answer", "reasoning"), text),
        **dict.fromkeys(names, text),
    )
    answers = [page.get(path) for path in ("/", "/traces", "/failures", "/stuck")]
    answers += [page.get(f"/traces/{trace_id}", params={"tab": tab}) for tab in TABS]
    assert {answer.status_code for answer in answers} == {200}
    assert recorder.store.delete(trace_id)
    return [answer.text.replace(trace_id, "") for answer in answers]


def test_every_page_has_both_languages_and_each_theme(page: httpx.Client, recorder: Recorder) -> None:
    """The browser's language, until another is chosen; the choice is kept in cookies and leads back to the page."""
    trace_id = write_trace(recorder.database, frames(2))
    paths = ("/", "/traces", "/stuck", "/failures", "/settings", "/health", f"/traces/{trace_id}?tab=frames")
    for path in paths:
        assert 'lang="en"' in page.get(path, headers={"Accept-Language": "fr, en;q=0.5"}).text
        chinese = page.get(path, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).text
        assert 'lang="zh-CN"' in chinese
        assert "概览" in chinese
    chosen = page.post("/preferences", data={"language": "zh", "theme": "dark", "next": "/traces?status=failed"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "./traces?status=failed")
    assert all("HttpOnly" in cookie for cookie in chosen.headers.get_list("set-cookie"))
    text = page.get("/traces", headers={"Accept-Language": "en"}).text
    assert 'lang="zh-CN" data-theme="dark"' in text
    assert page.post("/preferences", data={"language": "tlh"}).status_code == 422
    assert page.post("/preferences", data={"next": "//elsewhere.example"}).headers["location"] == "./"


def test_filters_are_the_address(page: httpx.Client, recorder: Recorder) -> None:
    """Words of the query line set filters; empty fields are none; the pages of a trace keep the list they came from."""
    ids = [write_trace(recorder.database, status=status, model="m-1") for status in ("failed", "completed", "failed")]
    found = page.get("/traces", params={"keyword": "status:failed model:m-1", "session": "", "status": ""}).text
    assert set(re.findall(r'data-trace="([0-9a-f]{32})"', found)) == {ids[0], ids[2]}
    assert f'href="./traces/{ids[2]}?status=failed&amp;model=m-1"' in found
    trace = page.get(f"/traces/{ids[2]}?status=failed").text
    assert f'id="older" href="../traces/{ids[0]}?status=failed&amp;tab=summary"' in trace
    assert 'id="newer"' not in trace
    assert (
        f'id="newer" href="../traces/{ids[2]}?status=failed&amp;tab=summary"'
        in page.get(f"/traces/{ids[0]}?status=failed").text
    )


def test_what_went_wrong_is_a_page(browser: httpx.Client, recorder: Recorder) -> None:
    """Unknown and deleted traces, broken cursors and filters: what happened, what to do, and the right status."""
    for path, status, told in (
        (f"/traces/{'0' * 32}", 404, "There is no such page or trace"),
        ("/nothing", 404, "There is no such page or trace"),
        ("/traces?cursor=forged", 422, "The address is not as it should be"),
        ("/traces?status=sleeping", 422, "The address is not as it should be"),
        (f"/traces/{write_trace(recorder.database)}?tab=nothing", 422, "The address is not as it should be"),
    ):
        assert browser.get(path).status_code == 303, "without a permission it is the sign-in page"
        answer = signed_in(browser).get(path)
        browser.cookies.clear()
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        assert told in answer.text


def signed_in(page: httpx.Client) -> httpx.Client:
    """The client as a browser that has signed in."""
    page.headers.pop("Authorization", None)
    answer = page.post("/sign-in", data={"token": TOKEN}, headers={"Origin": str(page.base_url).rstrip("/")})
    assert answer.status_code == 303
    return page


def head_of(client: httpx.Client, method: str, path: str) -> httpx.Response:
    """An answer without its body: a live stream has no end to wait for."""
    with client.stream(method, path) as answer:
        return answer


def test_every_answer_carries_the_security_headers(admin: httpx.Client, stranger: httpx.Client) -> None:
    """Also errors, refusals, redirects and static files."""
    answers = [
        admin.get("/static/style.css"),
        admin.get("/no/such/page"),
        stranger.get("/", headers={"Accept": "text/html"}),
    ]
    for client in (admin, stranger):
        answers += [head_of(client, operation.method, path_of(operation)) for operation in operations()]
    assert {answer.status_code for answer in answers} >= {200, 303, 401, 404, 422}
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        cached = "no-cache" if "text/css" in answer.headers.get("content-type", "") else "no-store"
        assert answer.headers["cache-control"] == cached


def test_pages_need_nothing_from_elsewhere_and_nothing_inline(page: httpx.Client, recorder: Recorder) -> None:
    """So that the policy holds, and the pages work without a network."""
    write_trace(recorder.database)
    for path in ("/", "/traces", "/stuck", "/failures", "/settings", "/health", "/sign-in"):
        text = page.get(path).text
        found = _Tags(text)
        assert "style" not in found.tags
        assert not re.search(r"<script(?![^>]* src=)[^>]*>", text)
        links = [value or "" for name, value in found.attributes if name in ("href", "src", "action")]
        assert links
        assert all(link.startswith(("./", "../", "#")) for link in links)
        assert "style" not in dict(found.attributes)


def test_pages_are_labelled_for_those_who_do_not_see_them(page: httpx.Client) -> None:
    """A language, a title, and a label for each field."""
    for path in ("/", "/sign-in"):
        html = page.get(path).text
        assert '<html lang="en" ' in html
        assert re.search(r"<title>[^<]+</title>", html)
        for field in re.findall(r'<input id="(\w+)"', html):
            assert f'<label for="{field}">' in html


def test_static_files_are_kept_and_asked_for_again(stranger: httpx.Client) -> None:
    """A file that has not changed is not sent twice; nothing outside their folder is served."""
    first = stranger.get("/static/style.css")
    assert first.status_code == 200
    again = stranger.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    folder = Path(str(tracekit_admin.__file__)).parent
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/", "/static/nothing"):
        answer = stranger.request("GET", httpx.URL(stranger.base_url).copy_with(raw_path=path.encode()))
        assert answer.status_code in (401, 404), path
        assert (folder / "app.py").read_text(encoding="utf-8") not in answer.text


def test_a_signed_in_person_sees_a_way_out(page: httpx.Client, recorder: Recorder) -> None:
    """Where the host checks, signing out is the host's business."""
    assert 'action="./sign-out"' in signed_in(page).get("/").text
    hosted = tracekit_admin.Admin(recorder, authorize=lambda connection: True)
    assert "/sign-out" not in {operation.path for operation in hosted.api.operations}
