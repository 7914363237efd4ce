"""A replay over the admin API: the recorded response, and nothing that a browser would run."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest
from admin_server import BEARER, Serve
from starlette.applications import Starlette
from timed_traces import At, write_timed_trace
from trace_rows import Single, change_trace, frames, write_trace

from tracekit import Recorder
from tracekit_admin import install
from tracekit_admin.replay_api import ReplayQuery

FRAMES = [b"data: \xff\n\n", b": ping\n\n", b"data: last, unfinished"]


def head(content_type: str | None = "text/event-stream", status: int = 200, **headers: str) -> Single:
    """The recorded head of a response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Single("response.started", {"status": status, "headers": {"content-type": content_type, **named}})


def recorded(recorder: Recorder, started: Single, **columns: Any) -> str:
    """A trace of three messages over half a second."""
    timeline = [At(0, started), *(At(number / 4, frame) for number, frame in enumerate(FRAMES))]
    size = sum(map(len, FRAMES))
    return write_timed_trace(recorder.database, timeline, **{"http_status": 200, "bytes_seen": size} | columns)


def replay(admin: httpx.Client, trace_id: str, **query: str) -> httpx.Response:
    return admin.get(f"/api/task-trace/{trace_id}/replay", params={"speed": "0"} | query)


def test_the_response_comes_as_it_was_recorded(admin: httpx.Client, recorder: Recorder) -> None:
    """Status, headers and bytes, byte for byte; and behind the same door as everything else."""
    trace_id = recorded(recorder, head(status=206, x_request_id="r-1"))
    answer = replay(admin, trace_id)
    assert (answer.status_code, answer.content) == (206, b"".join(FRAMES))
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.headers["x-tracekit-exact"] == "true"
    assert httpx.get(str(answer.request.url)).status_code == 401


def test_it_takes_its_time(admin: httpx.Client, recorder: Recorder) -> None:
    """Half a second, half of that, or none; from the middle what is left of it."""
    trace_id = recorded(recorder, head())
    seconds = {speed: replay(admin, trace_id, speed=speed).elapsed.total_seconds() for speed in ("1", "2", "0")}
    assert 0.5 <= seconds["1"] < 2
    assert seconds["2"] >= 0.25
    assert seconds["0"] < 0.5
    answer = replay(admin, trace_id, speed="1", **{"from": "400000"})
    assert answer.content == FRAMES[2]
    assert 0.1 <= answer.elapsed.total_seconds() < 0.4


@pytest.mark.parametrize(
    ("recorded_type", "sent_type"),
    [
        ("text/event-stream; charset=utf-8", "text/event-stream; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json", "application/json"),
        ("Text/Plain; charset=utf-8", "Text/Plain; charset=utf-8"),
        ("text/html", "application/octet-stream"),
        ("text/html; charset=utf-8", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("application/pdf", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("text/plain, text/html", "application/octet-stream"),
        ("text/plain;a=b,text/html", "application/octet-stream"),
        ("text/plain\r\nx-evil: 1", "application/octet-stream"),
        ("", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_nothing_recorded_is_run_or_drawn(
    admin: httpx.Client, recorder: Recorder, recorded_type: str | None, sent_type: str
) -> None:
    """On the origin of the admin a recorded page would have the admin's rights."""
    answer = replay(admin, recorded(recorder, head(recorded_type, cache_control="public, max-age=9999")))
    assert answer.headers["content-type"] == sent_type
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "x-evil" not in answer.headers


def test_recorded_headers_set_nothing_in_the_browser(admin: httpx.Client, recorder: Recorder) -> None:
    """An imported recording may claim any; only those that explain a response are repeated."""
    evil = head(
        set_cookie="tracekit=1; path=/",
        location="//evil.example",
        refresh="0; url=//evil.example",
        access_control_allow_origin="*",
        clear_site_data='"*"',
        content_security_policy="default-src *",
        x_content_type_options="sniff",
    )
    answer = replay(admin, recorded(recorder, evil))
    for name in ("set-cookie", "location", "refresh", "access-control-allow-origin", "clear-site-data"):
        assert name not in answer.headers
    assert answer.headers.get_list("content-security-policy") == [answer.headers["content-security-policy"]]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


def test_a_compressed_recording_is_sent_compressed(admin: httpx.Client, recorder: Recorder) -> None:
    """As it went over the wire."""
    wire = gzip.compress(b"data: 1\n\ndata: 2\n\n")
    columns = {"http_status": 200, "content_encoding": "gzip", "bytes_seen": len(wire)}
    started = head(content_encoding="gzip")
    trace_id = write_trace(recorder.database, [started, *frames(2)], wires=[wire], **columns)
    answer = replay(admin, trace_id)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded == len(wire)
    assert answer.content == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("reason", ["client_disconnected", "process_died", "app_error"])
def test_what_broke_off_breaks_off(admin: httpx.Client, recorder: Recorder, reason: str) -> None:
    """The client notices that the answer is not whole; the server goes on."""
    trace_id = recorded(recorder, head(), status="failed", end_reason=reason)
    with pytest.raises(httpx.RemoteProtocolError):
        replay(admin, trace_id)
    assert admin.get("/api/health").status_code == 200


def test_what_is_missing_is_told(admin: httpx.Client, recorder: Recorder) -> None:
    """By a header, before the first byte."""
    trace_id = recorded(recorder, head(), events_dropped=7)
    assert replay(admin, trace_id).headers["x-tracekit-exact"] == "false"


def test_what_cannot_be_replayed_is_a_problem(admin: httpx.Client, recorder: Recorder) -> None:
    """404: no such trace. 409: it has no answer that could be played. 422: no such speed or start."""
    running = recorded(recorder, head(), status="running", end_reason=None)
    deleted = write_trace(recorder.database, [head()], http_status=200, payloads_deleted=True)
    whole = recorded(recorder, head())
    assert replay(admin, "0" * 32).status_code == 404
    assert replay(admin, running).status_code == 409
    assert replay(admin, deleted).status_code == 409
    assert replay(admin, write_trace(recorder.database, [])).status_code == 409
    wrong = [
        ("speed", "-1"),
        ("speed", "inf"),
        ("speed", "nan"),
        ("speed", "fast"),
        ("from", "noon"),
        ("from", "seq:9"),
    ]
    for field, value in wrong:
        answer = replay(admin, whole, **{field: value})
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
        assert answer.headers["content-type"] == "application/problem+json"
    assert "from" in replay(admin, whole, start="0").json()["detail"]


def test_a_head_request_gets_the_head(admin: httpx.Client, recorder: Recorder) -> None:
    """With the headers of the replay and no byte of it."""
    trace_id = recorded(recorder, head())
    answer = admin.head(f"/api/task-trace/{trace_id}/replay")
    assert (answer.status_code, answer.headers["x-tracekit-exact"], answer.content) == (200, "true", b"")


def test_a_trace_deleted_meanwhile_does_not_look_whole(admin: httpx.Client, recorder: Recorder) -> None:
    """What was read ahead still comes; then the connection breaks off."""
    timeline = [At(0, head()), *(At(number / 500, b"data: %d\n\n" % number) for number in range(1000))]
    trace_id = write_timed_trace(recorder.database, timeline, http_status=200)
    with admin.stream("GET", f"/api/task-trace/{trace_id}/replay", params={"speed": "1"}) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        recorder.store.delete(trace_id)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)


def test_a_replay_is_never_recorded(recorder: Recorder, serve: Serve) -> None:
    """Nor does it count as a chat of the app that the admin is mounted in."""
    app = Starlette()
    install(app, recorder=recorder)
    recorder.settings.update(
        {"task_trace_enabled": True, "task_trace_default_on": True, "task_trace_admin_only": False}, by="test"
    )
    trace_id = recorded(recorder, head())
    answer = httpx.get(f"{serve(app)}/tracekit/api/task-trace/{trace_id}/replay?speed=0", headers=BEARER)
    assert answer.content == b"".join(FRAMES)
    recorder.flush()
    assert recorder.store.counts().traces == 1


def test_the_parameter_is_called_from() -> None:
    """A word that Python keeps for itself is fine in a query string."""
    assert ReplayQuery.model_json_schema()["properties"].keys() == {"speed", "from"}


def test_of_a_trace_that_changed_its_status_column_the_head_holds(admin: httpx.Client, recorder: Recorder) -> None:
    """Where the head is gone with the payloads, the columns say it."""
    trace_id = recorded(recorder, Single("response.started"), http_status=201, content_type="text/event-stream")
    change_trace(recorder.database, trace_id, events_dropped=1)
    answer = replay(admin, trace_id)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "text/event-stream")
