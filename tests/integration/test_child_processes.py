"""Runs and requests that belong together across processes: W3C trace context in headers and in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from asgi import END, body, http_scope, run, start, streams
from chat_events import event
from hypothesis import given
from hypothesis import strategies as st
from recorders import only_trace, recording, traces
from serving import environment_of_tests
from sqlalchemy import text

import tracekit
from tracekit import TraceMiddleware, child_environment, trace_headers
from tracekit.lineage import environment_lineage, lineage_of

TRACE, SPAN, ROOT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"

NAMES = ("TRACEPARENT", "TRACESTATE", "PARENT_RUN_ID")

# `python -c CHILD CHILD b c` is a run b, which starts a process that is a run c.
CHILD = """
import json, subprocess, sys, tracekit
recorder = tracekit.Recorder.from_env()
script, name, *deeper = sys.argv[1:]
said = []
with recorder.trace(name) as trace, tracekit.span(f"step of {name}") as step:
    if deeper:
        command = [sys.executable, "-c", script, script, *deeper]
        done = subprocess.run(command, env=tracekit.child_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
print(json.dumps([[name, trace.trace_id, step.span_id], *said]))
"""


@pytest.fixture(autouse=True)
def no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are themselves no child of anything."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def settings(database_url: str) -> dict[str, str]:
    """The environment of a process that records into a database."""
    return {"TRACEKIT_DATABASE_URL": database_url, "TASK_TRACE_ENABLED": "1"}


def run_children(names: list[str], environment: dict[str, str]) -> list[list[str]]:
    """What each process said of itself: name, trace id, span id."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, CHILD, *names],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: list[list[str]] = json.loads(done.stdout)
    return said


def test_a_child_process_joins_as_a_child_run(database_url: str):
    """And its own child too: each names its parent and the span it was started in, and all of them one root."""
    with recording(database_url) as recorder:
        with recorder.trace("a") as a, tracekit.span("step of a") as step:
            said = run_children(["b", "c"], environment_of_tests(child_environment(settings(database_url))))
        rows = {row.name: row for row in traces(recorder)}
        parents = [["a", a.trace_id, step.span_id], *said]
        assert [name for name, _, _ in parents] == ["a", "b", "c"]
        for (_, parent, span), (name, trace_id, _) in zip(parents, said, strict=False):
            row = rows[name]
            assert (row.trace_id, row.parent_trace_id, row.parent_span_id, row.root_trace_id) == (
                trace_id, parent, span, a.trace_id,
            )  # fmt: skip
        assert [child.name for child in recorder.store.children(str(a.trace_id))] == ["b"]
        with recorder.database.reading() as connection:
            known = text("SELECT parent_run FROM task_trace_processes ORDER BY started_at")
            assert list(connection.execute(known).scalars()) == [None, a.trace_id, said[0][1]]


def test_the_environment_of_a_child_says_who_its_parent_is(sqlite_url: str):
    """The given environment is added to, ours is left as it is; where nothing is recorded nothing is added."""
    with recording(sqlite_url) as recorder:
        with recorder.trace("run") as trace:
            before = dict(os.environ)
            outside = child_environment({"PATH": "/bin"})
            with tracekit.span("step") as step:
                inside = child_environment({"PATH": "/bin", "TRACEPARENT": "old", "PARENT_RUN_ID": "old"})
            assert dict(os.environ) == before
            assert child_environment() == {**before, **outside, "PATH": before["PATH"]}
        assert inside == {
            "PATH": "/bin",
            "TRACEPARENT": f"00-{trace.trace_id}-{step.span_id}-01",
            "TRACESTATE": f"tracekit=root:{trace.trace_id}",
            "PARENT_RUN_ID": trace.trace_id,
        }
        assert outside["TRACEPARENT"].startswith(f"00-{trace.trace_id}-")
        assert child_environment({"TRACEPARENT": TRACEPARENT}) == {"TRACEPARENT": TRACEPARENT}


def test_a_child_of_a_run_without_a_span_names_none(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """What stands for the span in `traceparent`, which has to name one, is taken for none."""
    with recording(sqlite_url) as recorder:
        with recorder.trace("parent") as parent:
            for name, value in child_environment({}).items():
                monkeypatch.setenv(name, value)
        with recorder.trace("child"):
            pass
        child = traces(recorder)[-1]
        assert (child.parent_trace_id, child.parent_span_id) == (parent.trace_id, None)


@pytest.mark.parametrize("run_id", [TRACE, TRACE.upper(), f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:]}"])
def test_a_parent_run_id_alone_is_enough(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, run_id: str):
    """For programs that know nothing else: it is the parent, and as far as anyone knows the root."""
    monkeypatch.setenv("PARENT_RUN_ID", run_id)
    with recording(sqlite_url) as recorder:
        with recorder.trace("child"):
            pass
        child = only_trace(recorder)
        assert (child.parent_trace_id, child.parent_span_id, child.root_trace_id) == (TRACE, None, TRACE)


@pytest.mark.parametrize(
    "environment",
    [
        {"TRACEPARENT": "nonsense"},
        {"TRACEPARENT": ""},
        {"PARENT_RUN_ID": "run-17"},
        {"PARENT_RUN_ID": "0" * 32},
        {"TRACESTATE": f"tracekit=root:{ROOT}"},
        {"TRACEPARENT": f"00-{'0' * 32}-{SPAN}-01", "PARENT_RUN_ID": "x" * 100_000},
    ],
    ids=str,
)
def test_an_environment_that_names_no_parent_makes_a_run_of_its_own(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
):
    """Malformed values are left aside."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_lineage() is None
    with recording(sqlite_url) as recorder:
        with recorder.trace("run"):
            pass
        row = only_trace(recorder)
        assert (row.parent_trace_id, row.root_trace_id, row.traceparent) == (None, row.trace_id, None)


# Headers


def asked(recorder: tracekit.Recorder, *headers: tuple[bytes, bytes]) -> Any:
    """The trace of a request with these headers."""
    app = TraceMiddleware(streams(start(), body(event(1)), END), recorder)
    outcome = run(app, scope=http_scope(headers=headers))
    recorder.flush(10)
    return recorder.store.get(str(outcome.header("x-trace-id")))


@pytest.fixture
def trusting(sqlite_url: str) -> Iterator[tracekit.Recorder]:
    """A recorder behind a gateway whose `traceparent` it trusts."""
    with recording(sqlite_url, trust_traceparent=True) as recorder:
        yield recorder


def test_a_traceparent_header_is_not_taken_unless_the_option_says_so(sqlite_url: str):
    """Anyone can send one; by default it is recorded with the request's headers, and joins nothing."""
    with recording(sqlite_url) as recorder:
        row = asked(recorder, (b"traceparent", TRACEPARENT.encode()))
        assert (row.parent_trace_id, row.root_trace_id, row.traceparent) == (None, row.trace_id, None)
        (received,) = recorder.store.events(row.trace_id, types=["request.received"]).events
        assert received.payload is not None
        assert received.payload["headers"]["traceparent"] == TRACEPARENT


def test_a_trusted_traceparent_makes_the_request_a_child(trusting: tracekit.Recorder):
    """With the root that the caller's tracestate names, among whatever else stands in it."""
    row = asked(trusting, (b"Traceparent", TRACEPARENT.encode()), (b"tracestate", b"rojo=1"))
    assert (row.parent_trace_id, row.parent_span_id, row.root_trace_id) == (TRACE, SPAN, TRACE)
    assert (row.traceparent, row.tracestate) == (TRACEPARENT, "rojo=1")
    state = f"rojo=1,tracekit=root:{ROOT},congo=2".encode()
    row = asked(trusting, (b"traceparent", TRACEPARENT.encode()), (b"tracestate", state))
    assert row.root_trace_id == ROOT


def test_the_headers_of_a_run_join_the_request_they_are_sent_with(trusting: tracekit.Recorder):
    """`trace_headers()` on an outgoing call, taken by a server that trusts them: one tree."""
    with trusting.trace("grandparent") as top, trusting.trace("caller") as caller, tracekit.span("call") as step:
        headers = trace_headers()
    assert trace_headers() == {}
    row = asked(trusting, *[(name.encode(), value.encode()) for name, value in headers.items()])
    assert (row.parent_trace_id, row.parent_span_id, row.root_trace_id) == (
        caller.trace_id, step.span_id, top.trace_id,
    )  # fmt: skip


MALFORMED = [
    "", "x", TRACEPARENT[:-1], TRACEPARENT + "-more", TRACEPARENT.upper(), TRACEPARENT.replace("-", "_"),
    f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-zz",
    f"0-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01more", f"{TRACEPARENT}, {TRACEPARENT}",
]  # fmt: skip


@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_traceparent_starts_a_trace_of_its_own(value: str):
    """As W3C Trace Context, section 3.2.2, demands; what else stands in tracestate does not count then."""
    assert lineage_of({"traceparent": value, "tracestate": f"tracekit=root:{ROOT}"}) is None


def test_a_malformed_header_costs_a_request_nothing(trusting: tracekit.Recorder):
    """Not UTF-8, very long, sent twice: the request is recorded as one that has no parent."""
    for headers in (
        [(b"traceparent", b"\xff\xfe")],
        [(b"traceparent", b"0" * 100_000)],
        [(b"traceparent", TRACEPARENT.encode()), (b"traceparent", TRACEPARENT.encode())],
    ):
        assert asked(trusting, *headers).parent_trace_id is None
    row = asked(trusting, (b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"\xff" * 100_000))
    assert (row.parent_trace_id, row.root_trace_id) == (TRACE, TRACE)


def test_a_later_version_may_say_more():
    """Of a version after 00 the first four fields are read, and what follows a dash is left aside (section 4.3)."""
    later = lineage_of({"traceparent": f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"})
    assert later is not None
    assert (later.parent_trace_id, later.parent_span_id) == (TRACE, SPAN)
    assert lineage_of({"traceparent": f"cc-{TRACE}-{SPAN}-01"}) is not None


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_any_carrier_gives_a_lineage_or_none(traceparent: str, tracestate: str, run_id: str):
    """Whatever was sent."""
    found = lineage_of({"traceparent": traceparent, "tracestate": tracestate, "parent_run_id": run_id})
    assert found is None or len(found.parent_trace_id) == len(found.root_trace_id) == 32
