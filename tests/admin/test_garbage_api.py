"""Workspaces that may go, over the admin API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into
from trace_rows import START, frames, write_trace

from tracekit import Recorder
from tracekit_admin import Admin
from tracekit_admin.schemas import GarbagePage, GarbageRemoval

GARBAGE = "/api/task-trace/garbage"


def an_id(number: int) -> str:
    """An id of a trace that began long ago."""
    return f"{number:032x}"


@pytest.fixture
def recorder(sqlite_url: str, tmp_path: Path) -> Iterator[Recorder]:
    with recording_into(sqlite_url, admin_token=TOKEN, workspace_dir=tmp_path / "spaces") as recorder:
        yield recorder


@pytest.fixture
def admin(recorder: Recorder, serve: Serve) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serve(Admin(recorder)), headers=BEARER, timeout=20) as client:
        yield client


def made(recorder: Recorder, trace_id: str) -> Path:
    folder = recorder.workspaces.folder(trace_id)
    assert folder is not None
    (folder / "file").write_bytes(b"12345")
    return folder


def test_workspaces_that_may_go_are_listed(admin: httpx.Client, recorder: Recorder) -> None:
    """With the reason, what they hold and how long nothing has happened; page by page."""
    made(recorder, an_id(1))
    made(recorder, write_trace(recorder.database, frames(2), trace_id=an_id(2)))
    made(recorder, write_trace(recorder.database, frames(2), trace_id=an_id(3), last_event_at=START * 2))
    page = GarbagePage.model_validate_json(admin.get(GARBAGE).content)
    assert [(item.trace_id, item.reason, item.bytes, item.files) for item in page.items] == [
        (an_id(1), "gone", 5, 1),
        (an_id(2), "inactive", 5, 1),
    ]
    assert page.items[1].last_active_at == datetime.fromisoformat("2023-11-14T22:13:20.040+00:00")
    assert page.items[1].age_s > 7 * 86_400
    assert page.items[0].age_s < 60
    first = admin.get(GARBAGE, params={"limit": 1}).json()
    second = admin.get(GARBAGE, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [item["trace_id"] for item in (*first["items"], *second["items"])] == [an_id(1), an_id(2)]
    assert second["next_cursor"] is None


def test_one_is_removed_on_request(admin: httpx.Client, recorder: Recorder) -> None:
    """204, and 404 when it is asked for again."""
    folder = made(recorder, an_id(1))
    assert admin.delete(f"{GARBAGE}/{an_id(1)}").status_code == 204
    assert not folder.exists()
    assert admin.delete(f"{GARBAGE}/{an_id(1)}").status_code == 404


def test_several_are_removed_on_request(admin: httpx.Client, recorder: Recorder) -> None:
    """What stays is told with the reason; one that is named twice is removed once."""
    made(recorder, an_id(1))
    busy = made(recorder, write_trace(recorder.database, [], trace_id=an_id(2), last_event_at=START * 2))
    answer = admin.post(GARBAGE, json={"trace_ids": [an_id(1), an_id(2), an_id(3), "../spaces", an_id(1)]})
    told = GarbageRemoval.model_validate_json(answer.content)
    assert [item.trace_id for item in told.removed] == [an_id(1)]
    assert [item.trace_id for item in told.kept] == [an_id(2), an_id(3), "../spaces"]
    assert told.bytes == 5
    assert busy.is_dir()


def test_a_workspace_in_use_stays(admin: httpx.Client, recorder: Recorder) -> None:
    """409 says why."""
    folder = made(recorder, write_trace(recorder.database, [], trace_id=an_id(1), last_event_at=START * 2))
    answer = admin.delete(f"{GARBAGE}/{an_id(1)}")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert folder.is_dir()


def test_no_path_leads_out_of_the_root(admin: httpx.Client, recorder: Recorder, tmp_path: Path) -> None:
    """Dots, slashes in any writing, absolute names, links: not found, and everything is where it was."""
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    made(recorder, an_id(1))
    (tmp_path / "spaces" / an_id(2)).symlink_to(treasure)
    for name in ("..", "%2e%2e", "..%2ftreasure", "%2Fetc", ".", "%00", f"{an_id(1)}%2f..", an_id(2), "ü" * 32):
        assert admin.delete(f"{GARBAGE}/{name}").status_code in (404, 405)
        told = admin.post(GARBAGE, json={"trace_ids": [name]}).json()
        assert told["removed"] == []
    assert treasure.is_dir()
    assert (tmp_path / "spaces" / an_id(1) / "file").exists()


def test_bad_requests_are_problems(admin: httpx.Client) -> None:
    """Wrong types, too many, too long, none; a field that nobody knows."""
    for body in ({}, {"trace_ids": []}, {"trace_ids": ["x"] * 501}, {"trace_ids": [5]}, {"trace_ids": "x"}):
        assert admin.post(GARBAGE, json=body).status_code == 422
    assert admin.post(GARBAGE, json={"trace_ids": ["x" * 65]}).status_code == 422
    assert admin.post(GARBAGE, json={"trace_ids": ["x"], "all": True}).status_code == 422
    assert admin.get(GARBAGE, params={"limit": 0}).status_code == 422
    assert admin.get(GARBAGE, params={"cursor": "x" * 33}).status_code == 422
    assert admin.get(GARBAGE, params={"cursor": "\U0001f600"}).status_code == 200


def test_a_root_that_cannot_be_read_is_a_problem(admin: httpx.Client, recorder: Recorder, tmp_path: Path) -> None:
    """And no internal error."""
    (tmp_path / "spaces").write_text("a file")
    assert admin.get(GARBAGE).status_code == 409
    assert admin.delete(f"{GARBAGE}/{an_id(1)}").status_code == 404


def test_without_workspaces_there_is_nothing(sqlite_url: str, serve: Serve) -> None:
    """An empty list, and nothing to remove."""
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder:
        address = serve(Admin(recorder))
        assert httpx.get(address + GARBAGE, headers=BEARER).json() == {"items": [], "next_cursor": None}
        assert httpx.delete(f"{address}{GARBAGE}/{an_id(1)}", headers=BEARER).status_code == 404


def test_deleting_a_trace_over_the_api_takes_its_workspace(admin: httpx.Client, recorder: Recorder) -> None:
    """And so does a clean-up."""
    for number in (1, 2):
        made(recorder, write_trace(recorder.database, frames(2), trace_id=an_id(number)))
    assert admin.delete(f"/api/task-trace/{an_id(1)}").status_code == 204
    assert recorder.workspaces.names() == [an_id(2)]
    assert admin.post("/api/task-trace/cleanup", json={"older_than_days": 1}).json()["traces"] == 1
    assert recorder.workspaces.names() == []


def test_only_those_who_may_know_are_told(recorder: Recorder, serve: Serve) -> None:
    """The list and the removal are behind the same door as everything else."""
    made(recorder, an_id(1))
    address = serve(Admin(recorder))
    assert httpx.get(address + GARBAGE).status_code == 401
    foreign = {**BEARER, "Origin": "https://elsewhere.example"}
    assert httpx.delete(f"{address}{GARBAGE}/{an_id(1)}", headers=foreign).status_code == 403
    assert recorder.workspaces.names() == [an_id(1)]
