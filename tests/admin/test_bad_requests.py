"""What is wrong with a request is said in one form, with the field it is about, and never a 500."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, operations, path_of, recording_into
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route
from trace_rows import write_trace

from tracekit import Recorder, hookimpl
from tracekit_admin import Admin, bodies
from tracekit_admin.problems import Problem
from tracekit_admin.queries import EventQuery, ListQuery, parse_query
from tracekit_admin.schemas import ProblemDocument

TRACES = "/api/task-trace"
SETTINGS = "/api/settings/system"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that an answer is; fails where it is none."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    ProblemDocument.model_validate_json(answer.content, strict=True)
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"] == http.client.responses[status]
    return document


def fields(answer: httpx.Response, status: int = 422) -> set[str]:
    """The fields that a problem names."""
    return {error["field"] for error in problem(answer, status)["errors"]}


WRONG = [
    (f"{TRACES}?limit=0", "limit"),
    (f"{TRACES}?limit=501", "limit"),
    (f"{TRACES}?limit=ten", "limit"),
    (f"{TRACES}?limit=1.0", "limit"),
    (f"{TRACES}?limit=", "limit"),
    (f"{TRACES}?limit=99999999999999999999999", "limit"),
    (f"{TRACES}?limit=5&limit=6", "limit"),
    (f"{TRACES}?status=done", "status"),
    (f"{TRACES}?end_reason=bored", "end_reason"),
    (f"{TRACES}?started_after=yesterday", "started_after"),
    (f"{TRACES}?started_before=2023-13-01", "started_before"),
    (f"{TRACES}?started_before=1700000000", "started_before"),
    (f"{TRACES}?cursor=garbage", "cursor"),
    (f"{TRACES}?cursor=WyJhIiwxLDJd", "cursor"),
    (f"{TRACES}?keyword={'x' * 2000}", "keyword"),
    (f"{TRACES}?session=%00", "session"),
    (f"{TRACES}?sessions=x", "sessions"),
    (f"{TRACES}?Limit=5", "Limit"),
    (f"{TRACES}/{{id}}?limit=5", "limit"),
    (f"{TRACES}/{{id}}/events?limit=2001", "limit"),
    (f"{TRACES}/{{id}}/events?since_seq=-1", "since_seq"),
    (f"{TRACES}/{{id}}/events?since_seq=9223372036854775808", "since_seq"),
    (f"{TRACES}/{{id}}/events?type={','.join('abcdefgh' * 9)}", "type"),
    (f"{TRACES}/{{id}}/events?type=%00", "type"),
    (f"{TRACES}/{{id}}/events/latest?limit=0", "limit"),
    (f"{TRACES}/{{id}}/export?format=docx", "format"),
    (f"{TRACES}/{{id}}/export?frames=some", "frames"),
    (f"{SETTINGS}/audit?cursor=x", "cursor"),
    (f"{SETTINGS}/audit?limit=1000", "limit"),
    (f"{SETTINGS}?x=1", "x"),
    (f"{TRACES}?keyword=a&keyword=b", "keyword"),
    (f"{TRACES}?status=failed&status=running", "status"),
    ("/traces?keyword=a&keyword=b", "keyword"),
    ("/?page=2", "page"),
]


def test_a_wrong_parameter_is_named(admin: httpx.Client, recorder: Recorder) -> None:
    """A name that is not known is wrong too: a filter that is misspelt must not be ignored."""
    trace_id = write_trace(recorder.database)
    for path, field in WRONG:
        assert (fields(admin.get(path.replace("{id}", trace_id))), path) == ({field}, path)


@pytest.mark.parametrize("query", ["keyword=status:failed+status:running", "keyword=status:failed&status=running"])
def test_two_filters_that_no_trace_can_meet_are_no_answer(admin: httpx.Client, query: str) -> None:
    """Neither of them is dropped without a word."""
    told = problem(admin.get(f"/traces?{query}"), 422)["detail"]
    assert "failed" in told
    assert "running" in told
    assert admin.get("/traces?keyword=status:failed+status:failed&status=failed").status_code == 200


def test_every_wrong_parameter_is_named_at_once(admin: httpx.Client) -> None:
    """Nobody has to mend one after the other."""
    answer = admin.get(TRACES, params={"limit": "x", "status": "y", "nonsense": "z"})
    assert fields(answer) == {"limit", "status", "nonsense"}
    assert "session" in answer.text


def test_a_cursor_belongs_to_its_filter(admin: httpx.Client, recorder: Recorder) -> None:
    """With another filter it would leave traces out without a word."""
    for _ in range(2):
        write_trace(recorder.database, actor="ada")
    cursor = admin.get(TRACES, params={"limit": 1, "actor": "ada"}).json()["next_cursor"]
    assert fields(admin.get(TRACES, params={"limit": 1, "cursor": cursor})) == {"cursor"}


@given(st.lists(st.tuples(st.sampled_from([*ListQuery.model_fields, "type", "x"]), st.text(max_size=20)), max_size=5))
def test_any_query_string_is_taken_or_refused(items: list[tuple[str, str]]) -> None:
    """No text in any place does anything else."""
    for model in (ListQuery, EventQuery):
        refusals = []
        try:
            assert isinstance(parse_query(model, items), model)
        except Problem as refusal:
            refusals.append((refusal.status, bool(refusal.errors)))
        assert refusals in ([], [(422, True)])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{'a': 1}", b"[" * 100_000, b"\x1f\x8b\x08"], ids=repr)
def test_what_is_no_json_is_a_400(admin: httpx.Client, body: bytes) -> None:
    """Broken, binary or nested beyond measure."""
    problem(admin.put(SETTINGS, content=body), 400)


@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"', "NaN"])
def test_json_that_is_no_object_is_a_422(admin: httpx.Client, body: str) -> None:
    """Every body of this API is an object."""
    assert fields(admin.put(SETTINGS, content=body)) == {"body"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "before"),
        ({"older_than_days": 1, "before": "2023-01-01"}, "before"),
        ({"older_than_days": -1}, "older_than_days"),
        ({"older_than_days": "1"}, "older_than_days"),
        ({"older_than_days": True}, "older_than_days"),
        ({"older_than_days": 10**30}, "older_than_days"),
        ({"before": 5}, "before"),
        ({"before": "soon"}, "before"),
        ({"older_than_days": 1, "dry_run": "yes"}, "dry_run"),
        ({"older_than_days": 1, "dryrun": True}, "dryrun"),
    ],
    ids=str,
)
def test_a_wrong_clean_up_deletes_nothing(
    admin: httpx.Client, recorder: Recorder, body: dict[str, Any], field: str
) -> None:
    """A misspelt dry_run above all."""
    write_trace(recorder.database)
    assert fields(admin.post(f"{TRACES}/cleanup", json=body)) == {field}
    assert len(admin.get(TRACES).json()["items"]) == 1


def test_a_body_over_the_limit_is_refused(admin: httpx.Client) -> None:
    """Announced or not, it is not read to its end."""
    limit = bodies.MOST_JSON_BYTES
    fitting = json.dumps({"x": "y" * (limit - 9)}).encode()
    assert len(fitting) == limit
    assert fields(admin.put(SETTINGS, content=fitting)) == {"x"}
    problem(admin.put(SETTINGS, content=fitting + b" "), 413)
    problem(admin.put(SETTINGS, content=iter([b" " * 65536] * 20)), 413)


def test_a_compressed_body_is_not_opened(admin: httpx.Client) -> None:
    """What may unfold to any size stays folded."""
    problem(admin.put(SETTINGS, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), 415)


def test_a_body_that_does_not_come_to_its_end_is_given_up(
    recorder: Recorder, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends a byte now and then holds nothing for long."""
    monkeypatch.setattr(bodies, "_LONGEST", 0.2)
    parts = urlsplit(serve(Admin(recorder)))
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as connection:
        head = f"PUT {SETTINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
        connection.sendall(head.encode())
        assert b" 408 " in connection.recv(4096)


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nothing(admin: httpx.Client, address: str) -> None:
    """The next request is answered."""
    parts = urlsplit(address)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as connection:
        head = f"PUT {SETTINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
        connection.sendall(head.encode())
    assert admin.get(SETTINGS).status_code == 200


def test_a_method_that_is_not_there_is_a_405_that_names_those_that_are(admin: httpx.Client) -> None:
    """Every path, with all its methods."""
    for operation in operations():
        answer = admin.request("PATCH", path_of(operation))
        problem(answer, 405)
        allowed = {name.strip() for name in answer.headers["allow"].split(",")}
        assert allowed - {"HEAD"} == {other.method for other in operations() if other.path == operation.path}


def test_head_answers_as_get_without_a_body(admin: httpx.Client, recorder: Recorder) -> None:
    """Also for an export, which is then not written."""
    trace_id = write_trace(recorder.database)
    for path in (TRACES, f"{TRACES}/{trace_id}/export"):
        answer = admin.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


class Failing:
    """A plugin whose page fails."""

    @hookimpl
    def tracekit_admin_routes(self, recorder: Recorder) -> list[Route]:
        return [Route("/broken", self.page)]

    async def page(self, request: Any) -> None:
        raise RuntimeError("password=hunter2")


def test_an_unexpected_error_tells_nothing_of_itself(
    sqlite_url: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has it; the client learns that there is something in the log."""
    with recording_into(sqlite_url, admin_token=TOKEN, plugins=[Failing()]) as recorder:
        answer = httpx.get(serve(Admin(recorder)) + "/broken", headers=BEARER)
    assert "hunter2" not in problem(answer, 500)["detail"]
    assert "hunter2" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_is_away_is_a_503(sqlite_url: str, serve: Serve) -> None:
    """With a word on what is wrong, and when to come again."""
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder:
        address = serve(Admin(recorder))
        path = recorder.database.path()
        assert path is not None
        recorder.database.close()
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
        path.mkdir()
        answer = httpx.get(address + TRACES, headers=BEARER, timeout=30)
        assert "database" in problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["detail"].lower().count("cannot be") <= 1
        assert httpx.get(address + "/sign-in").status_code == 200


def test_the_health_page_is_there_while_the_database_is_away(tmp_path: Path, serve: Serve) -> None:
    """Also when it was away from the start; other pages say what is wrong, once, and lead there."""
    (tmp_path / "a folder.db").mkdir()
    recorder = Recorder(f"sqlite:///{tmp_path}/a folder.db", admin_token=TOKEN)
    with ExitStack() as stack:
        stack.callback(recorder.shutdown, 0)
        address = serve(Admin(recorder))
        headers = BEARER | {"Accept": "text/html"}
        page = httpx.get(f"{address}/health", headers=headers, timeout=30)
        assert page.status_code == 200
        assert "which cannot be used now" in page.text
        assert 'role="alert"' in page.text
        told = problem(httpx.get(f"{address}/settings", headers=BEARER, timeout=30), 503)["detail"]
        assert told.lower().count("database cannot be") == 1
        with httpx.Client(base_url=address, headers={"Accept": "text/html"}, timeout=30) as browser:
            browser.post("/sign-in", data={"token": TOKEN}, headers={"Origin": address})
            page = browser.get("/settings")
            assert page.status_code == 503
            assert 'href="./health"' in page.text
