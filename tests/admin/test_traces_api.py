"""Lists, events, snapshots and deletion over HTTP, on both databases."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from admin_server import TOKEN, recording_into
from trace_rows import START, STEP, Frame, Single, cut_frame, frames, mixed, stored_rows, write_trace

from tracekit import Recorder
from tracekit.ids import new_id
from tracekit.types import ItemKind
from tracekit_admin.schemas import EventPage, SnapshotDocument, TraceDetail, TracePage

TRACES = "/api/task-trace"
SECOND = 1_000_000


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder on each kind of database."""
    with recording_into(database_url, admin_token=TOKEN) as recorder:
        yield recorder


def ids(answer: httpx.Response) -> list[str]:
    """The ids on a page of the list, which is as the document describes it."""
    assert answer.status_code == 200, answer.text
    TracePage.model_validate_json(answer.content, strict=True)
    return [item["trace_id"] for item in answer.json()["items"]]


def events(answer: httpx.Response) -> dict[str, Any]:
    """A page of events, which is as the document describes it."""
    assert answer.status_code == 200, answer.text
    EventPage.model_validate_json(answer.content, strict=True)
    page: dict[str, Any] = answer.json()
    return page


def test_the_list_is_newest_first_and_goes_on_with_its_cursor(admin: httpx.Client, recorder: Recorder) -> None:
    """Every trace comes once, whatever is added between two pages."""
    written = [write_trace(recorder.database, started_at=START + number) for number in range(7)]
    first = admin.get(TRACES, params={"limit": 3})
    write_trace(recorder.database, started_at=START + 100)
    seen, cursor = ids(first), first.json()["next_cursor"]
    while cursor is not None:
        page = admin.get(TRACES, params={"limit": 3, "cursor": cursor})
        seen += ids(page)
        cursor = page.json()["next_cursor"]
    assert seen == written[::-1]


def test_the_list_holds_facts_and_no_payloads(admin: httpx.Client, recorder: Recorder) -> None:
    """What may be of any size is asked for trace by trace."""
    secret = "only in the payload"
    write_trace(
        recorder.database,
        [secret.encode(), Single("log", {"text": secret})],
        texts={"answer": secret},
        metadata=json.dumps({"text": secret}),
        usage=json.dumps({"text": secret}),
        started_at=START,
        session_id="s-1",
        input_tokens=12,
        duration_ms=34,
    )
    answer = admin.get(TRACES)
    (item,) = answer.json()["items"]
    assert secret not in answer.text
    assert item["session_id"] == "s-1"
    assert (item["input_tokens"], item["output_tokens"], item["duration_ms"]) == (12, None, 34)
    assert item["started_at"] == "2023-11-14T22:13:20.000000Z"
    assert item["ended_at"] is None


def test_each_filter_selects(admin: httpx.Client, recorder: Recorder) -> None:
    """A trace is listed when it meets every condition that is given."""
    columns = {
        "session_id": "s-1",
        "status": "failed",
        "end_reason": "app_error",
        "actor": "ada",
        "environment": "prod",
        "model": "gpt-x",
        "path": "/chat/流",
    }
    wanted = write_trace(recorder.database, texts={"answer": "今天天气很好"}, **columns)
    write_trace(recorder.database, session_id="s-2", started_at=START + 60 * SECOND)
    query = {
        "session": "s-1",
        "status": "failed",
        "end_reason": "app_error",
        "actor": "ada",
        "environment": "prod",
        "model": "gpt-x",
    }
    for name, value in query.items():
        assert ids(admin.get(TRACES, params={name: value})) == [wanted], name
    for keyword in ("天气", "/CHAT/", wanted[:20], "s-1"):
        assert ids(admin.get(TRACES, params={"keyword": keyword})) == [wanted], keyword
    assert ids(admin.get(TRACES, params=query)) == [wanted]
    assert ids(admin.get(TRACES, params={**query, "actor": "bob"})) == []


@pytest.mark.parametrize(
    ("moment", "included"),
    [
        ("2023-11-14T22:13:20Z", True),
        ("2023-11-14T22:13:20.000000+00:00", True),
        ("2023-11-15T06:13:20+08:00", True),
        ("2023-11-14T22:13:20", True),
        ("2023-11-14", True),
        ("2023-11-14T22:13:20.000001Z", False),
        ("2023-11-15", False),
    ],
)
def test_a_time_is_taken_to_the_microsecond(
    admin: httpx.Client, recorder: Recorder, moment: str, included: bool
) -> None:
    """`started_after` includes its moment, `started_before` leaves it out; without a zone it is UTC."""
    trace_id = write_trace(recorder.database, started_at=START)
    found = [trace_id] if included else []
    assert ids(admin.get(TRACES, params={"started_after": moment})) == found
    assert ids(admin.get(f"{TRACES}?started_after={moment}")) == found
    before = [] if included else [trace_id]
    assert ids(admin.get(TRACES, params={"started_before": moment})) == before


def test_one_trace_has_all_facts_and_its_first_events(admin: httpx.Client, recorder: Recorder) -> None:
    """The first 2000 events come along; `next_seq` and `has_more` say how to go on."""
    usage = {"input_tokens": 3, "detail": {"cached": 1}}
    trace_id = write_trace(recorder.database, frames(2100), frames_per_block=300, usage=json.dumps(usage))
    answer = admin.get(f"{TRACES}/{trace_id}")
    TraceDetail.model_validate_json(answer.content, strict=True)
    detail = answer.json()
    assert (detail["trace_id"], detail["usage"], detail["frames"]) == (trace_id, usage, 2100)
    assert [event["seq"] for event in detail["events"]] == [*range(1, 2001)]
    assert (detail["total"], detail["has_more"], detail["next_seq"]) == (2100, True, 2000)


def test_an_id_may_be_written_with_dashes_and_capitals(admin: httpx.Client, recorder: Recorder) -> None:
    """As people copy it from elsewhere."""
    trace_id = write_trace(recorder.database)
    written = f"{trace_id[:8]}-{trace_id[8:12]}-{trace_id[12:16]}-{trace_id[16:20]}-{trace_id[20:]}".upper()
    assert admin.get(f"{TRACES}/{written}").json()["trace_id"] == trace_id


def test_events_come_page_by_page(admin: httpx.Client, recorder: Recorder) -> None:
    """Reading on from `next_seq` gives every event once, in order, with its own time."""
    trace_id = write_trace(recorder.database, mixed(60))
    seen: list[dict[str, Any]] = []
    since, more = 0, True
    while more:
        page = events(admin.get(f"{TRACES}/{trace_id}/events", params={"since_seq": since, "limit": 7}))
        assert page["total"] == 60
        seen += page["events"]
        since, more = page["next_seq"], page["has_more"]
    assert [event["seq"] for event in seen] == [*range(1, 61)]
    assert [event["offset_us"] for event in seen] == [seq * STEP for seq in range(1, 61)]
    nothing = events(admin.get(f"{TRACES}/{trace_id}/events", params={"since_seq": 60}))
    assert (nothing["events"], nothing["has_more"], nothing["next_seq"]) == ([], False, 60)


def test_events_are_chosen_by_type(admin: httpx.Client, recorder: Recorder) -> None:
    """Types are repeated or separated by commas; one that does not occur gives nothing."""
    trace_id = write_trace(recorder.database, mixed(40))
    path = f"{TRACES}/{trace_id}/events"
    logs = events(admin.get(path, params={"type": "log"}))["events"]
    pings = events(admin.get(path, params={"type": "stream.keepalive"}))["events"]
    assert {event["event_type"] for event in logs} == {"log"}
    assert [event["payload"]["text"] for event in pings] == [": ping 22\n\n"]
    both = sorted(event["seq"] for event in logs + pings)
    for query in ("?type=log&type=stream.keepalive", "?type=log,stream.keepalive", "?type=log,&type=,stream.keepalive"):
        assert [event["seq"] for event in events(admin.get(path + query))["events"]] == both
    assert events(admin.get(path, params={"type": "no.such"}))["events"] == []
    assert len(events(admin.get(path, params={"type": ""}))["events"]) == 40


def test_the_payload_of_a_frame_is_its_bytes(admin: httpx.Client, recorder: Recorder) -> None:
    """Text where it is UTF-8, base64 where not, and where something was cut away, what is known of the whole."""
    whole = b"data: " + b"x" * 1000
    broken, nul = b"\xff\xfe\n\n", "data: \0 é 流\n\n"
    trace_id = write_trace(
        recorder.database, [nul.encode(), broken, cut_frame(whole, 10), Frame(b": ping\n\n", ItemKind.KEEPALIVE)]
    )
    page = events(admin.get(f"{TRACES}/{trace_id}/events"))
    text, binary, cut, ping = (event["payload"] for event in page["events"])
    assert text == {"bytes": len(nul.encode()), "text": nul}
    assert binary == {"bytes": 4, "base64": base64.b64encode(broken).decode()}
    assert (cut["bytes"], cut["text"], cut["cut"]["length"]) == (10, "data: xxxx", 1006)
    assert len(cut["cut"]["sha256"]) == 64
    assert ping["text"] == ": ping\n\n"
    assert page["events"][3]["event_type"] == "stream.keepalive"


def test_one_hostile_payload_costs_the_others_nothing(admin: httpx.Client, recorder: Recorder) -> None:
    """Lone surrogates, numbers beyond all limits, nesting to the limit: each event is JSON, and the page is."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    payloads = [{"n": "\ud800 \0"}, {"n": 10**1000}, {"n": deep}, {"n": None}, {"n": 1e308 * 10}]
    timeline = [moment for payload in payloads for moment in (Single("log", payload), Single("log", {"fine": True}))]
    trace_id = write_trace(recorder.database, timeline)
    for path in (f"{TRACES}/{trace_id}", f"{TRACES}/{trace_id}/events", f"{TRACES}/{trace_id}/snapshot"):
        answer = admin.get(path)
        assert answer.status_code == 200
        document = json.loads(answer.content)
        found = document.get("events") or document["last_events"]
        assert [event["payload"] for event in found[1::2]] == [{"fine": True}] * 5
        assert found[0]["payload"]["n"].startswith("\ud800")


def test_the_latest_events_come_oldest_first(admin: httpx.Client, recorder: Recorder) -> None:
    """A page like any other: reading on from its `next_seq` misses nothing."""
    trace_id = write_trace(recorder.database, mixed(60))
    page = events(admin.get(f"{TRACES}/{trace_id}/events/latest", params={"limit": 5}))
    assert [event["seq"] for event in page["events"]] == [56, 57, 58, 59, 60]
    assert (page["total"], page["has_more"], page["next_seq"]) == (60, False, 60)
    empty = write_trace(recorder.database)
    page = events(admin.get(f"{TRACES}/{empty}/events/latest"))
    assert (page["events"], page["total"], page["has_more"], page["next_seq"]) == ([], 0, False, 0)


def test_a_snapshot_says_how_a_trace_stands(admin: httpx.Client, recorder: Recorder) -> None:
    """Texts, open tool calls, the last events and where to go on."""
    call = Single("tool.started", {"id": "c1", "name": "search"})
    texts = {"prompt": "Why?", "answer": "Because", "reasoning": "Hm"}
    trace_id = write_trace(recorder.database, [*frames(3), call], texts=texts, status="running", end_reason=None)
    answer = admin.get(f"{TRACES}/{trace_id}/snapshot")
    SnapshotDocument.model_validate_json(answer.content, strict=True)
    snapshot = answer.json()
    assert snapshot["trace"]["status"] == "running"
    assert snapshot["texts"] == {**texts, "whole": True}
    assert [(call["id"], call["name"]) for call in snapshot["open_tool_calls"]] == [("c1", "search")]
    assert snapshot["event_counts"] == {"stream.frame": 3, "tool.started": 1}
    assert snapshot["next_seq"] == 4


def test_a_deleted_trace_is_gone(admin: httpx.Client, recorder: Recorder) -> None:
    """With all it holds, and only once."""
    kept = write_trace(recorder.database, frames(3))
    trace_id = write_trace(recorder.database, mixed(30), texts={"answer": "x"})
    answer = admin.delete(f"{TRACES}/{trace_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert admin.delete(f"{TRACES}/{trace_id}").status_code == 404
    assert admin.get(f"{TRACES}/{trace_id}").status_code == 404
    assert ids(admin.get(TRACES)) == [kept]
    assert stored_rows(recorder.database)["task_trace_texts"] == 0


def test_cleaning_up_can_be_tried_first(admin: httpx.Client, recorder: Recorder) -> None:
    """The dry run names what the real one then deletes; traces that run or are younger stay."""
    old = [write_trace(recorder.database, frames(4)) for _ in range(3)]
    running = write_trace(recorder.database, status="running", end_reason=None)
    young = write_trace(recorder.database, started_at=START + 7_200 * SECOND)
    request = {"before": "2023-11-14T23:00:00Z", "dry_run": True}
    tried = admin.post(f"{TRACES}/cleanup", json=request).json()
    assert tried == {"traces": 3, "bytes": 3 * 4 * len(b"data: 1\n\n"), "dry_run": True}
    assert len(ids(admin.get(TRACES))) == 5
    done = admin.post(f"{TRACES}/cleanup", json={**request, "dry_run": False}).json()
    assert done == {**tried, "dry_run": False}
    assert ids(admin.get(TRACES)) == [young, running]
    assert old[0] not in ids(admin.get(TRACES))


def test_cleaning_up_by_age(admin: httpx.Client, recorder: Recorder) -> None:
    """Days are counted back from now."""
    write_trace(recorder.database)
    assert admin.post(f"{TRACES}/cleanup", json={"older_than_days": 36500}).json()["traces"] == 0
    assert admin.post(f"{TRACES}/cleanup", json={"older_than_days": 1}).json()["traces"] == 1


UNKNOWN_IDS = [new_id(), "x", "0" * 31, "a" * 5000, "%00", "%F0%28", "流", "..%2F.."]


def test_an_unknown_trace_is_a_404(admin: httpx.Client) -> None:
    """Whatever stands in the place of the id, and whatever is asked of the trace."""
    for unknown in UNKNOWN_IDS:
        for rest in ("", "/events", "/events/latest", "/snapshot", "/export", "/export?format=sse"):
            answer = admin.get(f"{TRACES}/{unknown}{rest}")
            assert (answer.status_code, unknown, rest) == (404, unknown, rest)
            assert answer.headers["content-type"] == "application/problem+json"
