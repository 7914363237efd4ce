"""A permission that is limited to some traces, for hosts that serve several parties: nothing leads around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from admin_server import Serve, operations, path_of, recording_into
from event_streams import path_of_stream, streaming
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from trace_rows import Single, frames, mixed, write_trace

from tracekit import Recorder, hookimpl
from tracekit_admin import Admin, live_response
from tracekit_admin.auth import Access
from tracekit_admin.operations import Operation

TRACES = "/api/task-trace"
HEAD = Single("response.started", {"status": 200, "headers": {"content-type": "text/event-stream"}})

READABLE = {
    TRACES,
    f"{TRACES}/{{trace_id}}",
    *(
        f"{TRACES}/{{trace_id}}/{part}"
        for part in (
            "events",
            "events/latest",
            "events/stream",
            "answer/stream",
            "snapshot",
            "export",
            "replay",
            "spans",
            "spans/{span_id}",
            "checkpoints",
            "landmarks",
        )
    ),
}


class WithRoute:
    """A plugin with a page of its own."""

    @hookimpl
    def tracekit_admin_routes(self) -> list[BaseRoute]:
        return [Route("/extra", lambda request: PlainTextResponse("extra"))]


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    with recording_into(database_url, plugins=[WithRoute()]) as recorder:
        yield recorder


@pytest.fixture
def written(recorder: Recorder) -> dict[str, str]:
    """Traces of two parties, of one person, and of nobody; ids by whose they are."""
    whose: dict[str, dict[str, Any]] = {
        "ours": {"session_id": "ours"},
        "theirs": {"session_id": "theirs"},
        "ann's": {"session_id": "theirs", "actor": "ann"},
        "nobody's": {},
    }
    return {
        name: write_trace(
            recorder.database,
            [HEAD, *frames(3)],
            texts={"answer": f"answer of {name}"},
            http_status=200,
            bytes_seen=33,
            **columns,
        )
        for name, columns in whose.items()
    }


LIMITS = {"ours": Access("us", sessions=["ours", "x"]), "ann": Access("ann", actors={"ann"}), "none": Access(actors=())}


def authorize(connection: HTTPConnection) -> Access:
    return LIMITS[connection.headers["x-party"]]


@pytest.fixture
def ask(recorder: Recorder, serve: Serve) -> Iterator[Callable[[str], httpx.Client]]:
    """A client of a party."""
    address = serve(Admin(recorder, authorize=authorize))
    clients: list[httpx.Client] = []

    def of(party: str) -> httpx.Client:
        clients.append(httpx.Client(base_url=address, headers={"X-Party": party}, timeout=20))
        return clients[-1]

    yield of
    for client in clients:
        client.close()


def listed(client: httpx.Client, **query: Any) -> set[str]:
    answer = client.get(TRACES, params=query)
    assert answer.status_code == 200, answer.text
    return {item["trace_id"] for item in answer.json()["items"]}


def test_only_what_honours_a_limit_is_open_to_one() -> None:
    """A list that does not grow by accident: what does not say so is closed."""
    assert {operation.path for operation in operations() if operation.limited} == READABLE
    assert {operation.method for operation in operations() if operation.limited} == {"GET"}


def test_the_list_shows_the_traces_of_the_limit(ask: Any, written: dict[str, str]) -> None:
    """Of the sessions, of the actors, and of nobody nothing."""
    assert listed(ask("ours")) == {written["ours"]}
    assert listed(ask("ann")) == {written["ann's"]}
    assert listed(ask("none")) == set()


@pytest.mark.parametrize(
    "query",
    [
        {"session": "theirs"},
        {"keyword": "answer of"},
        {"status": "completed"},
        {"started_after": "2001-01-01T00:00:00Z"},
        {"actor": "ann"},
    ],
)
def test_no_filter_and_no_search_widens_the_list(ask: Any, written: dict[str, str], query: dict[str, Any]) -> None:
    """Whatever is asked for, the limit holds too."""
    assert listed(ask("ours"), **query) <= {written["ours"]}


def test_the_id_of_another_is_no_search_word(ask: Any, written: dict[str, str]) -> None:
    """Who knows an id learns nothing by it."""
    assert listed(ask("ours"), keyword=written["theirs"]) == set()


def test_a_cursor_is_good_for_its_own_limit_only(recorder: Recorder, ask: Any) -> None:
    """And leads from page to page within it."""
    own = [write_trace(recorder.database, session_id="ours") for _ in range(3)]
    write_trace(recorder.database, session_id="theirs")
    page = ask("ours").get(TRACES, params={"limit": 1}).json()
    seen = {page["items"][0]["trace_id"]}
    assert ask("ann").get(TRACES, params={"cursor": page["next_cursor"]}).status_code == 422
    while page["next_cursor"]:
        page = ask("ours").get(TRACES, params={"limit": 1, "cursor": page["next_cursor"]}).json()
        seen |= {item["trace_id"] for item in page["items"]}
    assert seen == set(own)


def path(operation: Operation, trace_id: str) -> str:
    return path_of(operation, trace_id).replace("{span_id}", "1" * 16).replace("{layer:path}", "L1")


@pytest.mark.parametrize("party", ["ours", "ann", "none"])
def test_another_s_trace_is_as_if_it_were_not_there(ask: Any, written: dict[str, str], party: str) -> None:
    """On every operation on a trace: the same answer as for an id that nobody has, but for the id in it."""
    client = ask(party)
    own = {"ours": "ours", "ann": "ann's", "none": ""}[party]
    for operation in operations():
        if operation.limited and "{trace_id}" in operation.path:
            for name, trace_id in written.items():
                if name != own:
                    answer = client.get(path(operation, trace_id))
                    assert (answer.status_code, operation.path) == (404, operation.path)
                    missing = client.get(path(operation, "f" * 32))
                    assert answer.text.replace(trace_id, "") == missing.text.replace("f" * 32, "")
                    assert client.head(path(operation, trace_id)).status_code == 404


def test_one_s_own_trace_is_read_in_every_way(ask: Any, written: dict[str, str]) -> None:
    """Events, snapshot, export, replay and the streams."""
    client = ask("ours")
    for operation in operations():
        if operation.limited and "{trace_id}" in operation.path and "{span_id}" not in operation.path:
            with client.stream("GET", path(operation, written["ours"])) as answer:
                assert (answer.status_code, operation.path) == (200, operation.path)
    assert "answer of ours" in client.get(f"{TRACES}/{written['ours']}/snapshot").text


def test_everything_else_is_closed(ask: Any, written: dict[str, str], recorder: Recorder) -> None:
    """Counts, questions about all traces, graphs that reach to others, settings, health, pages, changes, plugins."""
    client = ask("ours")
    for operation in operations():
        if not operation.limited:
            answer = client.request(operation.method, path(operation, written["ours"]), json={})
            assert (answer.status_code, operation) in ((403, operation), (404, operation)), answer.text
    for place in ("/extra", "/static/style.css", "/", "/traces", f"/traces/{written['ours']}", "/nowhere"):
        assert client.get(place).status_code in (403, 404), place
    assert client.delete(f"{TRACES}/{written['ours']}").status_code == 403
    assert client.post(f"{TRACES}", json={}).status_code == 403
    assert recorder.store.exists(written["ours"])


@pytest.mark.parametrize(
    "place",
    [
        "/api/task-trace/stats/",
        "/api//task-trace/stats",
        "/api/task-trace/../settings/system",
        "/api/task-trace/%2e%2e/settings/system",
        "/api/task-trace/stats/events",
        "/api/task-trace/stuck%2Fevents",
        "/API/TASK-TRACE/STATS",
    ],
)
def test_no_spelling_of_a_path_leads_around(ask: Any, written: dict[str, str], place: str) -> None:
    """What the door takes for a trace is one for the router too."""
    answer = ask("ours").get(place, follow_redirects=False)
    assert answer.status_code in (403, 404, 422), answer.text
    assert "theirs" not in answer.text


def test_a_limit_holds_under_a_mount(recorder: Recorder, written: dict[str, str]) -> None:
    """Wherever the host has put the admin."""
    client = TestClient(Admin(recorder, authorize=authorize), root_path="/ops", headers={"X-Party": "ours"})
    assert client.get(f"/ops{TRACES}/{written['ours']}").status_code == 200
    assert client.get(f"/ops{TRACES}/{written['theirs']}").status_code == 404
    assert client.get(f"/ops{TRACES}/stats").status_code == 403


def test_a_socket_of_a_plugin_is_closed_to_a_limit(recorder: Recorder) -> None:
    """Sockets too are behind the door."""
    client = TestClient(Admin(recorder, authorize=authorize), headers={"X-Party": "ours"})
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/extra"):
        pass


def test_a_live_stream_ends_when_its_trace_is_out_of_reach(
    recorder: Recorder, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it ends when the permission is withdrawn altogether."""
    monkeypatch.setattr(live_response, "CHECK_S", 0.2)
    trace_id = write_trace(recorder.database, mixed(3), session_id="ours", status="running", end_reason=None)
    limits = dict(LIMITS)
    with streaming(ask("ours"), path_of_stream(trace_id)) as stream:
        assert next(stream).seq == 1
        monkeypatch.setitem(LIMITS, "ours", Access("us", sessions=["elsewhere"]))
        with suppress(StopIteration):
            assert [message.event for message in stream][-1:] != ["end"]
    LIMITS.update(limits)


@pytest.mark.parametrize("wrong", [Access("x", sessions="ours"), Access("x", actors="ann")])
def test_one_name_in_the_place_of_a_list_opens_nothing(recorder: Recorder, serve: Serve, wrong: Access) -> None:
    """As letters it would be a limit that nobody meant."""
    address = serve(Admin(recorder, authorize=lambda connection: wrong))
    assert httpx.get(f"{address}{TRACES}").status_code == 500
