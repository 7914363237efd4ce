"""The questions over HTTP, on both databases: answers as the document describes them, and bad input refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from admin_server import TOKEN, recording_into
from pydantic import BaseModel
from question_rows import MINUTE, SECOND, ended, span_id, write_event, write_process, write_running, write_steps
from trace_rows import Single, frames, write_trace

from tracekit import Recorder
from tracekit.documents import iso
from tracekit_admin import question_schemas as schemas

TRACES = "/api/task-trace"
UNKNOWN = "0" * 32


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder on each kind of database."""
    with recording_into(database_url, admin_token=TOKEN) as recorder:
        yield recorder


@pytest.fixture
def now() -> int:
    """This moment, microseconds UTC."""
    return time.time_ns() // 1000


def answered(answer: httpx.Response, model: type[BaseModel]) -> dict[str, Any]:
    """The document, which is as the model says."""
    assert answer.status_code == 200, answer.text
    model.model_validate_json(answer.content, strict=True)
    document: dict[str, Any] = answer.json()
    return document


def a_stuck_run(recorder: Recorder, now: int) -> str:
    """A run of which nothing was heard for ten minutes, in a step with an input."""
    write_process(recorder.database, heartbeat_at=now)
    trace_id = write_running(
        recorder.database,
        [*frames(2), Single("persist.progress", {"saved": 3})],
        name="nightly",
        started_at=now - 20 * MINUTE,
        last_event_at=now - 10 * MINUTE,
    )
    times = {"started_at": now - 15 * MINUTE, "heartbeat_at": now}
    write_steps(
        recorder.database,
        trace_id,
        {"span_id": "run", **times},
        {"span_id": "fetch", "parent_span_id": "run", "layer": "L3", "input_summary": '{"n":1}', **times},
    )
    return trace_id


def test_what_runs(admin: httpx.Client, recorder: Recorder, now: int) -> None:
    """Health, step, last event and process, with the idle limit that is in force."""
    trace_id = a_stuck_run(recorder, now)
    recorder.settings.update({"task_trace_idle_timeout_ms": 45_000}, by="test")
    document = answered(admin.get(f"{TRACES}/active"), schemas.ActiveTraces)
    (item,) = document["items"]
    assert (item["trace"]["trace_id"], item["health"]) == (trace_id, "stalled")
    assert (item["step"]["step_name"], item["open_steps"]) == ("fetch", 2)
    assert (item["owner"]["host"], item["owner"]["pid"], item["owner"]["alive"]) == ("web-1", 41, True)
    assert item["trace"]["started_at"] == iso(now - 20 * MINUTE)
    assert (document["total"], document["idle_timeout_ms"]) == (1, 45_000)


def test_what_is_stuck(admin: httpx.Client, recorder: Recorder, now: int) -> None:
    """The step, since when, the evidence, and causes with a code for programs and a text for people."""
    trace_id = a_stuck_run(recorder, now)
    document = answered(admin.get(f"{TRACES}/stuck"), schemas.StuckPage)
    (item,) = document["items"]
    assert (item["trace"]["trace_id"], item["step"]["span_id"]) == (trace_id, span_id("fetch"))
    assert item["input_preview"] == '{"n":1}'
    assert item["last_good_event"]["event_type"] == "persist.progress"
    assert item["since_at"] == iso(now - 10 * MINUTE)
    assert item["stuck_us"] >= 10 * MINUTE
    assert item["causes"][0]["code"] == "no_sign"
    assert (document["has_more"], document["threshold_us"]) == (False, 5 * MINUTE)
    assert admin.get(f"{TRACES}/stuck", params={"minutes": 20}).json()["items"] == []
    assert len(admin.get(f"{TRACES}/stuck", params={"minutes": "0.5"}).json()["items"]) == 1


def test_what_fails_most(admin: httpx.Client, recorder: Recorder, now: int) -> None:
    """With class, advice and the latest."""
    trace_id = write_trace(recorder.database)
    failed = {"reason_code": "TIMEOUT", "layer": "L3", "ended_at": now - MINUTE}
    write_steps(recorder.database, trace_id, ended("a", "failed", **failed))
    document = answered(admin.get(f"{TRACES}/failures/top"), schemas.TopFailures)
    (item,) = document["items"]
    assert (item["kind"], item["reason_code"], item["layer"], item["count"]) == ("span", "TIMEOUT", "L3", 1)
    assert (item["reason_class"], item["sample"]) == ("transient", {"trace_id": trace_id, "span_id": span_id("a")})
    assert item["last_at"] == iso(now - MINUTE)
    assert admin.get(f"{TRACES}/failures/top", params={"hours": "0.001"}).json()["items"] == []


@pytest.mark.parametrize("name", ["L3_executor", "a/b", "层 ☃", "x?y#z", "active", "%2F"])
def test_how_layers_do(admin: httpx.Client, recorder: Recorder, now: int, name: str) -> None:
    """All of them, and one by its name, whatever that holds."""
    write_steps(recorder.database, write_trace(recorder.database), ended("a", layer=name, ended_at=now - SECOND))
    listed = answered(admin.get(f"{TRACES}/layers"), schemas.LayerList)
    assert [(item["layer"], item["spans"], item["duration_us"]["p50"]) for item in listed["items"]] == [
        (name, 1, SECOND)
    ]
    page = answered(admin.get(f"{TRACES}/layers/{quote(name, safe='')}"), schemas.LayerPage)
    assert (page["facts"]["layer"], page["facts"]["success_rate"]) == (name, 1.0)
    assert [step["step_name"] for step in page["steps"]] == ["a"]


def test_traces_over_time(admin: httpx.Client, recorder: Recorder, now: int) -> None:
    """Pieces of the length that was asked for."""
    write_trace(recorder.database, started_at=now, first_content_us=7, input_tokens=3)
    document = answered(admin.get(f"{TRACES}/stats", params={"hours": 2, "bucket": "15m"}), schemas.Statistics)
    assert (document["bucket_us"], len(document["buckets"])) == (15 * MINUTE, 9)
    assert document["buckets"][-1]["traces"] == 1
    assert document["total"]["first_content_us"]["p95"] == 7
    answered(admin.get(f"{TRACES}/stats"), schemas.Statistics)


def test_the_inside_of_a_trace(admin: httpx.Client, recorder: Recorder, now: int) -> None:
    """Its tree, one span of it, its graph and its checkpoints."""
    trace_id = a_stuck_run(recorder, now)
    write_event(recorder.database, trace_id, "checkpoint.committed", {"name": "half", "evidence": ["x"]})
    one = f"{TRACES}/{trace_id}"
    tree = answered(admin.get(f"{one}/spans"), schemas.SpanTreePage)
    assert [(item["step_name"], item["depth"], item["path"]) for item in tree["items"]] == [
        ("run", 0, ["run"]),
        ("fetch", 1, ["run", "fetch"]),
    ]
    first = admin.get(f"{one}/spans", params={"limit": 1}).json()
    rest = admin.get(f"{one}/spans", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert (rest["items"], rest["next_cursor"]) == (tree["items"][1:], None)
    span = answered(admin.get(f"{one}/spans/{span_id('fetch')}"), schemas.SpanDetail)
    assert (span["input"], span["layer"]) == ({"n": 1}, "L3")
    graph = answered(admin.get(f"{one}/graph"), schemas.Graph)
    assert [node["kind"] for node in graph["nodes"]] == ["trace", "span", "span"]
    assert len(graph["links"]) == 2
    checkpoints = answered(admin.get(f"{one}/checkpoints"), schemas.CheckpointList)
    assert [(item["name"], item["evidence"], item["holds"]) for item in checkpoints["items"]] == [("half", ["x"], None)]


def test_events_are_chosen_by_phase_layer_span_and_actor(admin: httpx.Client, recorder: Recorder) -> None:
    """Together with their type."""
    trace_id = write_trace(recorder.database, frames(2))
    write_steps(recorder.database, trace_id, {"span_id": "a", "layer": "L3"})
    write_event(recorder.database, trace_id, "log", {"actor": "ann"}, span_id("a"), phase="plan")
    write_event(recorder.database, trace_id, "retry", {"actor": "bob"}, phase="plan")
    path = f"{TRACES}/{trace_id}/events"

    def seqs(**query: str) -> list[int]:
        return [event["seq"] for event in admin.get(path, params=query).json()["events"]]

    assert seqs(phase="plan") == [3, 4]
    assert seqs(layer="L3") == seqs(span=span_id("a")) == seqs(actor="ann") == [3]
    assert seqs(phase="plan", type="retry") == [4]
    assert seqs(phase="other") == []


def test_hostile_json_in_one_place_costs_the_others_nothing(admin: httpx.Client, recorder: Recorder) -> None:
    """Lone surrogates, numbers beyond all limits, nesting to the limit, in spans and in checkpoints."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for value in ("\ud800 \0", 10**400, deep, 1e308 * 10):
        trace_id = write_trace(recorder.database)
        text = json.dumps({"n": value})
        write_steps(recorder.database, trace_id, ended("a", input_summary=text, output_summary="[7]", artifacts=text))
        write_event(recorder.database, trace_id, "checkpoint.committed", {"name": "x", "n": value, "evidence": value})
        span = admin.get(f"{TRACES}/{trace_id}/spans/{span_id('a')}")
        assert (span.status_code, json.loads(span.content)["output"]) == (200, [7])
        checkpoints = admin.get(f"{TRACES}/{trace_id}/checkpoints")
        assert checkpoints.status_code == 200
        assert json.loads(checkpoints.content)["items"][0]["name"] == "x"
        for path in ("spans", "graph"):
            assert admin.get(f"{TRACES}/{trace_id}/{path}").status_code == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("active?limit=0", "limit"),
        ("active?limit=many", "limit"),
        ("active?minutes=5", "minutes"),
        ("stuck?minutes=0", "minutes"),
        ("stuck?minutes=-1", "minutes"),
        ("stuck?minutes=nan", "minutes"),
        ("stuck?minutes=inf", "minutes"),
        ("stuck?minutes=soon", "minutes"),
        ("stuck?minutes=1e300", "minutes"),
        ("stuck?limit=201", "limit"),
        ("failures/top?hours=0", "hours"),
        ("failures/top?hours=1&hours=2", "hours"),
        ("layers?hours=9999999", "hours"),
        ("stats?bucket=2h", "bucket"),
        ("stats?hours=1000&bucket=1m", "bucket"),
    ],
)
def test_a_wrong_query_is_refused_by_name(admin: httpx.Client, path: str, field: str) -> None:
    """422, with the field that is wrong."""
    answer = admin.get(f"{TRACES}/{path}")
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("query", ["limit=0", "limit=5001", "cursor=x", "cursor=-1"])
def test_a_wrong_page_of_a_tree_is_refused(admin: httpx.Client, recorder: Recorder, query: str) -> None:
    """422."""
    assert admin.get(f"{TRACES}/{write_trace(recorder.database)}/spans?{query}").status_code == 422


@pytest.mark.parametrize("path", ["spans", f"spans/{'a' * 16}", "graph", "checkpoints"])
@pytest.mark.parametrize("trace_id", [UNKNOWN, "x", "%00", "a" * 500])
def test_an_unknown_trace_is_not_found(admin: httpx.Client, path: str, trace_id: str) -> None:
    """404, whatever stands where its id should."""
    assert admin.get(f"{TRACES}/{trace_id}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["layers/no-such", "layers/%00", "layers/"])
def test_an_unknown_layer_is_not_found(admin: httpx.Client, path: str) -> None:
    """404; a misspelt name is noticed."""
    assert admin.get(f"{TRACES}/{path}").status_code == 404


def test_no_question_is_answered_without_permission(stranger: httpx.Client, recorder: Recorder) -> None:
    """Not even whether anything runs."""
    trace_id = write_trace(recorder.database)
    for path in ("active", "stuck", "failures/top", "layers", "layers/x", "stats", f"{trace_id}/spans"):
        assert stranger.get(f"{TRACES}/{path}").status_code == 401
