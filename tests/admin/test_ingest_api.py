"""What other programs tell over HTTP: taken in whole or refused whole, and told what became of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until
from recorders import EVERYTHING, events
from sqlalchemy import text

from tracekit import Recorder
from tracekit.ids import new_id
from tracekit_admin import Admin
from tracekit_admin.ingest_schemas import IngestResult

INGEST = "/api/task-trace/ingest"
SPAN = "00f067aa0ba902b7"
NOON = 1_750_000_000_000_000


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder on each kind of database, switched on."""
    with recording_into(database_url, admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        yield recorder


def told(admin: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of it, trace by trace."""
    answer = admin.post(INGEST, json=body)
    assert answer.status_code == 200, answer.text
    IngestResult.model_validate_json(answer.content)
    return list(answer.json()["traces"])


def test_a_flow_in_another_language_is_told_and_read_back(admin: httpx.Client) -> None:
    """Events, a step and the end in one request; the API shows them as it shows what was recorded here."""
    trace_id = new_id()
    (taken,) = told(
        admin,
        {
            "trace": {"trace_id": trace_id, "name": "import", "session_id": "s-1", "status": "completed"},
            "events": [{"id": "a", "type": "persist.progress", "payload": {"saved": 3}}],
            "spans": [{"span_id": SPAN, "step_name": "fetch", "layer": "L2", "status": "success", "output": {"n": 3}}],
        },
    )
    assert (taken["trace_id"], taken["created"], taken["status"], taken["duplicates"]) == (
        trace_id, True, "completed", 0,
    )  # fmt: skip
    shown = admin.get(f"/api/task-trace/{trace_id}").json()
    assert (shown["name"], shown["session_id"], shown["enabled_by"]) == ("import", "s-1", "ingest")
    kinds = [event["event_type"] for event in shown["events"]]
    assert sorted(kinds) == ["persist.progress", "span.finished", "span.started", "trace.finished"]
    assert kinds[-1] == "trace.finished"
    (step,) = admin.get(f"/api/task-trace/{trace_id}/spans").json()["items"]
    assert (step["step_name"], step["layer"], step["status"]) == ("fetch", "L2", "success")


def test_a_request_that_is_sent_again_changes_nothing(admin: httpx.Client, recorder: Recorder) -> None:
    """Whoever did not get the answer sends it once more."""
    trace_id = new_id()
    body = {
        "trace": {"trace_id": trace_id},
        "events": [{"id": f"e{number}", "type": "log", "timestamp": time.time_ns() // 1000} for number in range(5)],
    }
    (first,), (again,) = told(admin, body), told(admin, body)
    assert [event["seq"] for event in first["events"]] == [1, 2, 3, 4, 5]
    assert [(event["seq"], event["outcome"]) for event in again["events"]] == [
        (seq, "duplicate") for seq in range(1, 6)
    ]
    assert len(events(recorder, trace_id)) == 5


def test_many_clients_append_to_one_trace_at_once(address: str, recorder: Recorder) -> None:
    """Every number is given once, in whatever order the requests arrive."""
    trace_id = new_id()

    def send(client: int) -> list[int]:
        with httpx.Client(base_url=address, headers=BEARER, timeout=30) as http:
            seqs = []
            for batch in range(5):
                ids = [f"{client}-{batch}-{number}" for number in range(20)]
                body = {"trace": {"trace_id": trace_id}, "events": [{"id": one, "type": "log"} for one in ids]}
                seqs += [event["seq"] for event in told(http, body)[0]["events"]]
            return seqs

    with ThreadPoolExecutor(6) as pool:
        given = [seq for seqs in pool.map(send, range(6)) for seq in seqs]
    assert sorted(given) == list(range(1, 601))
    assert [event.seq for event in events(recorder, trace_id)] == list(range(1, 601))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ([], ""),
        ({"trace": {"trace_id": "x"}}, "trace.trace_id"),
        ({"trace": {"trace_id": "0" * 32}}, "trace.trace_id"),
        ({"trace": {}, "events": [{"type": "stream.frame"}]}, "events.0"),
        ({"trace": {}, "events": [{"type": "span.started"}]}, "events.0"),
        ({"trace": {}, "events": [{"type": 1}]}, "events.0.type"),
        ({"trace": {}, "events": [{"type": "log", "timestamp": "yesterday"}]}, "events.0.timestamp"),
        ({"trace": {}, "events": [{"type": "log", "timestamp": 10**30}]}, "events.0.timestamp"),
        ({"trace": {}, "events": [{"type": "log", "payload": [1]}]}, "events.0.payload"),
        ({"trace": {}, "events": [{"type": "log"}] * 1001}, "events"),
        ({"trace": {}, "spans": [{"span_id": SPAN, "step_name": "x", "parent_span_id": SPAN}]}, "spans.0"),
        ({"trace": {"status": "asleep"}}, "trace.status"),
        ({"trace": {"status": "completed", "started_at": NOON, "ended_at": NOON - 1}}, "trace"),
        (
            {"trace": {}, "spans": [{"span_id": SPAN, "step_name": "x", "started_at": NOON, "ended_at": 10**15}]},
            "spans.0",
        ),
        ({"trace": {"status": "running", "error": "x"}}, "trace"),
        ({"trace": {"colour": "red"}}, "trace.colour"),
    ],
)
def test_what_cannot_be_taken_is_refused_whole_and_named(
    admin: httpx.Client, recorder: Recorder, body: Any, field: str
) -> None:
    """422 with the place in the body; nothing is stored."""
    answer = admin.post(INGEST, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    places = [error["field"] for error in answer.json().get("errors", [])]
    assert any(place.startswith(field) for place in places) or not field
    assert not recorder.store.list_traces().items


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"trace": {"metadata": {"n": ' + b"9" * 5000 + b"}}}",
        b'{"trace": NaN}',
        b'{"trace": {"name": "caf\xe9"}}',
    ],
)
def test_rubbish_is_refused(admin: httpx.Client, content: bytes) -> None:
    """Never a 500, and never a crash."""
    answer = admin.post(INGEST, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text


def test_a_body_past_the_limit_is_refused(admin: httpx.Client) -> None:
    """A megabyte holds a thousand events of a kilobyte."""
    body = {"trace": {}, "events": [{"type": "log", "payload": {"text": "x" * 2_000_000}}]}
    assert admin.post(INGEST, json=body).status_code == 413


def test_a_trace_that_is_being_recorded_here_is_refused(admin: httpx.Client, recorder: Recorder) -> None:
    """Its own process numbers its events; the answer says what to do instead."""
    with recorder.trace("a run") as trace:
        assert recorder.flush(10).complete
        answer = admin.post(INGEST, json={"trace": {"trace_id": trace.trace_id}, "events": [{"type": "log"}]})
    assert answer.status_code == 409
    assert "parent_trace_id" in answer.json()["detail"]


def test_nothing_is_taken_where_recording_is_off(admin: httpx.Client, recorder: Recorder) -> None:
    """The master switch holds for every way in."""
    recorder.settings.update({"task_trace_enabled": False}, by="test")
    answer = admin.post(INGEST, json={"trace": {}, "events": [{"type": "log"}]})
    assert answer.status_code == 409
    assert "switched off" in answer.json()["detail"]


def test_nobody_tells_without_being_let_in(stranger: httpx.Client, recorder: Recorder) -> None:
    """As everything else of the API."""
    assert stranger.post(INGEST, json={"trace": {}}).status_code == 401
    assert not recorder.store.list_traces().items


def test_secrets_are_masked_before_they_are_stored(admin: httpx.Client, recorder: Recorder) -> None:
    """In payloads, in steps and in the words about the trace."""
    secret = "sk-proj-" + "a1B2c3D4" * 6
    (taken,) = told(
        admin,
        {
            "trace": {"metadata": {"api_key": secret}, "name": f"run with {secret}"},
            "events": [{"id": f"call-{secret}", "type": "log", "payload": {"text": f"key {secret}"}}],
            "spans": [{"span_id": SPAN, "step_name": "call", "input": {"authorization": f"Bearer {secret}"}}],
        },
    )
    assert taken["events"][0]["id"] == f"call-{secret}"
    with recorder.database.reading() as connection:
        assert secret not in str(connection.execute(text("SELECT * FROM task_trace_ingested")).all())
    assert secret not in admin.get(f"/api/task-trace/{taken['trace_id']}").text
    assert secret not in admin.get(f"/api/task-trace/{taken['trace_id']}/spans/{SPAN}").text
    path = recorder.database.path()
    assert path is None or all(secret.encode() not in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_shell_script_tells_with_curl(sqlite_url: str, serve: Serve) -> None:
    """As the document shows it."""
    with recording_into(sqlite_url, admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        address = serve(Admin(recorder))
        body = json.dumps({"trace": {"name": "backup", "status": "completed"}, "events": [{"type": "log"}]})
        said = subprocess.run(
            ["curl", "-sS", "-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json",
             "-d", body, address + INGEST],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        trace_id = json.loads(said.stdout)["traces"][0]["trace_id"]
        assert recorder.store.get(trace_id).name == "backup"
