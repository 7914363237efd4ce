"""`tracekit active`, `stuck` and `failures`: for people and for scripts."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from command_line import on, tracekit_on_terminal, url_of
from exports import HOSTILE, is_harmless
from question_rows import MINUTE, SECOND, ended, span_id, write_process, write_running, write_steps
from trace_rows import frames, write_trace

from tracekit.store import Database


def now() -> int:
    return time.time_ns() // 1000


def a_stuck_run(database: Database, **columns: Any) -> str:
    """A run of which nothing was heard for ten minutes, in a step."""
    write_process(database, heartbeat_at=now())
    times = {"started_at": now() - 20 * MINUTE, "last_event_at": now() - 10 * MINUTE}
    trace_id = write_running(database, frames(2), **({"name": "nightly"} | times | columns))
    step = {"span_id": "fetch", "layer": "L3", "started_at": now() - 15 * MINUTE, "heartbeat_at": now()}
    write_steps(database, trace_id, step)
    return trace_id


def a_failure(database: Database, **columns: Any) -> str:
    """A trace with a step that timed out a minute ago."""
    trace_id = write_trace(database)
    facts = {"reason_code": "TIMEOUT", "layer": "L3", "ended_at": now() - MINUTE}
    write_steps(database, trace_id, ended("fetch", "failed", **(facts | columns)))
    return trace_id


def test_active_prints_one_plain_record_a_line(database: Database) -> None:
    """Each field in its place, those in trouble first."""
    trace_id = a_stuck_run(database)
    moving = write_running(database, frames(1), started_at=now() - SECOND, last_event_at=now())
    done = on(database, "active")
    assert (done.status, done.err) == (0, "")
    assert [record[:2] for record in done.records] == [[trace_id, "stalled"], [moving, "moving"]]
    assert done.records[0][5:12] == ["fetch", "L3", span_id("fetch"), "stream.frame", "web-1", "41", "nightly"]
    assert {len(record) for record in done.records} == {14}
    assert len(on(database, "active", "-n", "1").records) == 1


def test_stuck_prints_step_cause_and_evidence(database: Database) -> None:
    """In a pipe, and as JSON with all that is known."""
    trace_id = a_stuck_run(database)
    (record,) = on(database, "stuck").records
    assert (record[0], record[3:7]) == (trace_id, ["fetch", "L3", span_id("fetch"), "running"])
    assert int(record[1]) >= 10 * MINUTE
    assert "its process lives" in record[7]
    (line,) = on(database, "stuck", "--json").out.splitlines()
    document = json.loads(line)
    assert (document["trace"]["trace_id"], document["causes"][0]["code"]) == (trace_id, "no_sign")
    assert document["last_good_event"]["preview"] == "data: 2\n\n"


def test_stuck_tells_a_script_by_its_exit_status(sqlite: Database) -> None:
    """1 where something is stuck and `--check` is given, else 0."""
    assert on(sqlite, "stuck", "--check").status == 0
    a_stuck_run(sqlite)
    assert on(sqlite, "stuck", "--check").status == 1
    assert on(sqlite, "stuck", "--check", "--json").status == 1
    assert on(sqlite, "stuck").status == 0
    assert on(sqlite, "stuck", "--check", "--minutes", "11").status == 0
    assert on(sqlite, "stuck", "--check", "-m", "0.5").status == 1


def test_the_idle_limit_is_that_of_the_settings(sqlite: Database) -> None:
    """As changed while the app runs."""
    write_process(sqlite, heartbeat_at=now())
    write_running(sqlite, started_at=now() - MINUTE, last_event_at=now() - 20 * SECOND)
    assert on(sqlite, "active").records[0][1] == "silent"
    assert on(sqlite, "settings", "set", "idle_timeout_ms=15000").status == 0
    assert on(sqlite, "active").records[0][1] == "stalled"


def test_failures_prints_what_to_do(database: Database) -> None:
    """Count, reason, layer, class, advice and the latest."""
    trace_id = a_failure(database)
    (record,) = on(database, "failures").records
    assert record[:4] == ["1", "span", "TIMEOUT", "L3"]
    assert record[5] == "transient"
    assert record[6].startswith("Try again")
    assert record[7:] == [trace_id, span_id("fetch")]
    (line,) = on(database, "failures", "--json").out.splitlines()
    assert json.loads(line)["sample"] == {"trace_id": trace_id, "span_id": span_id("fetch")}
    assert on(database, "failures", "--hours", "0.001").out == ""


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("active", "nothing runs"),
        ("stuck", "nothing has been without a sign for 5 m 00 s"),
        ("failures", "nothing has failed in the last 24 h"),
    ],
)
def test_nothing_is_said_in_a_sentence_on_a_terminal_and_not_at_all_in_a_pipe(
    sqlite: Database, command: str, sentence: str
) -> None:
    """A script counts lines; a person reads why there are none."""
    assert on(sqlite, command).out == ""
    assert tracekit_on_terminal(command, TRACEKIT_DATABASE_URL=url_of(sqlite)).out == f"{sentence}\n"


def test_a_terminal_shows_tables(sqlite: Database) -> None:
    """With what matters even where it is narrow."""
    trace_id = a_stuck_run(sqlite)
    a_failure(sqlite)
    url = url_of(sqlite)
    for columns in (80, 200):
        for command, words in (
            ("active", ["stalled", "fetch", trace_id]),
            ("stuck", ["fetch", "10 m 0", trace_id]),
            ("failures", ["TIMEOUT", "L3"]),
        ):
            shown = tracekit_on_terminal(command, columns=columns, TRACEKIT_DATABASE_URL=url)
            assert shown.status == 0
            assert all(word in shown.out for word in words), (command, columns, shown.out)
    assert "web-1:41" in tracekit_on_terminal("active", columns=200, TRACEKIT_DATABASE_URL=url).out


def test_what_is_left_out_is_said_on_a_terminal(sqlite: Database) -> None:
    """With the option that shows it."""
    a_stuck_run(sqlite)
    for minutes in (9, 8):
        write_running(sqlite, started_at=now() - 20 * MINUTE, last_event_at=now() - minutes * MINUTE)
    url = url_of(sqlite)
    assert "and 2 more traces" in tracekit_on_terminal("active", "-n", "1", TRACEKIT_DATABASE_URL=url).out
    assert "there is more" in tracekit_on_terminal("stuck", "-n", "1", TRACEKIT_DATABASE_URL=url).out


def test_hostile_names_do_nothing_to_a_terminal(sqlite: Database) -> None:
    """Nor do they make a second field or line in a pipe."""
    trace_id = a_stuck_run(sqlite, name=HOSTILE, session_id=HOSTILE, actor=HOSTILE)
    step = {"step_name": HOSTILE, "layer": HOSTILE, "input_summary": HOSTILE, "parent_span_id": "fetch"}
    write_steps(sqlite, trace_id, {"span_id": "odd", "started_at": now() - 14 * MINUTE, "heartbeat_at": now(), **step})
    a_failure(sqlite, reason_code=HOSTILE, layer=HOSTILE)
    for command in ("active", "stuck", "failures"):
        assert len(on(sqlite, command).records) == 1
        assert is_harmless(on(sqlite, command).out.removesuffix("\n").replace("\t", ""))
        assert is_harmless(on(sqlite, command, "--json").out.removesuffix("\n"))


@pytest.mark.parametrize(
    "arguments",
    [["stuck", "-m", "0"], ["stuck", "-m", "nan"], ["failures", "--hours", "-1"], ["active", "-n", "0"],
     ["stuck", "-n", "1000"]],
)  # fmt: skip
def test_a_number_out_of_range_is_wrong_use(sqlite: Database, arguments: list[str]) -> None:
    """Exit status 2, and one line that names it."""
    done = on(sqlite, *arguments)
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) >= 1
