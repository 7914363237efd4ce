"""`tracekit settings`, `prune`, `migrate`, `plugins` and `doctor`: the database looked after."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from command_line import on, tracekit
from sqlalchemy import make_url
from trace_rows import change_trace, write_trace

from tracekit.store import Database, TraceStore
from tracekit.types import TraceStatus

NO_ID = "0" * 32
DAY_US = 86_400 * 1_000_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_settings_are_read_and_changed(database: Database) -> None:
    """A change is seen by the next reader, and noted with who made it; short names are understood."""
    changed = on(database, "settings", "set", "enabled=on", "task_trace_max_events=500", "env=prod")
    assert [record[:2] for record in changed.records] == [
        ["task_trace_enabled", "true"], ["task_trace_env", "prod"], ["task_trace_max_events", "500"],
    ]  # fmt: skip
    (line,) = on(database, "settings", "get", "task_trace_max_events", "--json").out.splitlines()
    told = json.loads(line)
    assert (told["value"], told["default"], told["source"]) == (500, 20_000, "database")
    assert told["updated_by"].startswith("command line (")
    assert len(on(database, "settings", "get").records) == 10


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("max_events=5", "task_trace_max_events"),
        ("max_events=x", "task_trace_max_events"),
        ("enabled=perhaps", "task_trace_enabled"),
        ("env=mars", "task_trace_env"),
        ("nothing=1", "nothing"),
        ("enabled", "KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_changed(change: str, named: str, sqlite: Database) -> None:
    """The error names the setting, and the good change beside the bad one is not made either."""
    done = on(sqlite, "settings", "set", "default_on=true", change)
    assert done.status == 2
    assert named in done.err
    assert len(done.err.splitlines()) == 1
    assert on(sqlite, "settings", "get", "default_on").records[0][1] == "false"


def test_settings_can_be_made_before_the_app_has_ever_started(sqlite_url: str) -> None:
    """The tables are made where there are none, so that recording can be on from the first request."""
    assert tracekit("settings", "set", "enabled=true", "-d", sqlite_url).status == 0
    assert tracekit("settings", "get", "enabled", "-d", sqlite_url).records[0][1] == "true"


def test_prune_deletes_what_is_old_and_says_so(database: Database) -> None:
    """A dry run tells the same and deletes nothing; running and young traces stay."""
    old = [write_trace(database, [b"data: 1\n\n"]) for _ in range(3)]
    running = write_trace(database, [b"x"], status=TraceStatus.RUNNING, end_reason=None)
    young = write_trace(database, [b"x"], started_at=time.time_ns() // 1000)
    told = json.loads(on(database, "prune", "--dry-run", "--json").out)
    assert told == {"dry_run": True, "older_than_days": 7, "traces": 3, "bytes": 27}
    assert all(TraceStore(database).exists(trace_id) for trace_id in old)
    assert on(database, "prune", "--older-than-days", "7").out == "deleted 3 traces older than 7 days (27 B)\n"
    left = {trace.trace_id for trace in TraceStore(database).list_traces().items}
    assert left == {running, young}


def test_prune_needs_an_age_where_the_settings_keep_everything(sqlite: Database) -> None:
    """Nothing is deleted by a guess."""
    assert on(sqlite, "settings", "set", "retention_days=0").status == 0
    write_trace(sqlite, [b"x"])
    done = on(sqlite, "prune")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert TraceStore(sqlite).counts().traces == 1


def test_migrate_makes_the_tables_once(empty_database_url: str) -> None:
    """The first run makes them, the second finds them; until then the other commands say what to do."""
    before = tracekit("list", "-d", empty_database_url)
    assert before.status != 0
    assert "tracekit migrate" in before.err
    first, second = (tracekit("migrate", "-d", empty_database_url, "--json") for _ in range(2))
    made = json.loads(first.out)
    assert (made["before"], len(made["steps"]) > 0) == (None, True)
    assert json.loads(second.out) == {"before": made["after"], "after": made["after"], "steps": []}
    assert tracekit("list", "-d", empty_database_url).status == 0


def test_looking_at_a_database_never_changes_its_tables(sqlite_url: str) -> None:
    """`list` on a file without tables refuses; it does not make them."""
    path = Path(make_url(sqlite_url).database or "")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
        connection.commit()
    assert tracekit("list", "-d", sqlite_url).status == 1
    with closing(sqlite3.connect(path)) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["mine"]


def test_plugins_are_listed_with_their_hooks(tmp_path: Path) -> None:
    """Bundled plugins, and those of the folder; one that cannot be loaded is named and makes the status 1."""
    bundled = tracekit("plugins")
    assert bundled.status == 0
    assert ["exporters", "tracekit"] in [record[:2] for record in bundled.records]
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "mine.py").write_text(
        "from tracekit import hookimpl\n\n@hookimpl\ndef tracekit_trace_finished(trace):\n    pass\n"
    )
    done = tracekit("plugins", "--json", TRACEKIT_PLUGINS_DIR=str(tmp_path))
    facts = {plugin["name"]: plugin for plugin in map(json.loads, done.out.splitlines())}
    assert done.status == 1
    assert "no_such_module_anywhere" in facts["broken"]["error"]
    assert facts["mine"]["hooks"] == ["tracekit_trace_finished"]


def test_a_plugin_adds_its_command(tmp_path: Path) -> None:
    """It is on the help page and runs, with the shared options."""
    (tmp_path / "hello.py").write_text(
        "from tracekit import hookimpl\nfrom tracekit.cli import AsJson\n\n@hookimpl\ndef tracekit_cli_commands(cli):\n"
        "    @cli.command()\n    def hello(as_json: AsJson = False) -> None:\n"
        "        'Greet.'\n        print('hi', as_json)\n"
    )
    assert "Greet." in tracekit("--help", TRACEKIT_PLUGINS_DIR=str(tmp_path)).out
    assert tracekit("hello", "--json", TRACEKIT_PLUGINS_DIR=str(tmp_path)) == (0, b"hi True\n", "")


def test_doctor_finds_nothing_wrong_with_a_good_database(database: Database) -> None:
    """Each check is one record; notes are no faults."""
    done = on(database, "doctor")
    states = {record[0]: record[1] for record in done.records}
    assert done.status == 0, done.out
    assert set(states.values()) <= {"ok", "note"}
    assert {"environment", "plugins", "database", "schema", "writing", "settings", "content", "alerts", "clock"} <= set(
        states
    )
    assert ("SQLite" in states) == (database.dialect == "sqlite")


def test_doctor_names_all_that_keeps_a_request_from_being_recorded(sqlite: Database) -> None:
    """Each with what clears it away; done one after the other, every request is recorded."""
    for setting in ("enabled=true", "env=both", "admin_only=false", "default_on=true"):
        told = on(sqlite, "doctor", "--json", TRACEKIT_ENVIRONMENT="prod").out.splitlines()
        notes = [finding for finding in map(json.loads, told) if finding["check"] == "settings"]
        assert any(setting in note["advice"] for note in notes), setting
        assert any("is not seen from here" in note["found"] for note in notes)
        on(sqlite, "settings", "set", setting)
    assert "every request is recorded, in prod" in on(sqlite, "doctor", TRACEKIT_ENVIRONMENT="prod").out


def test_doctor_tells_what_is_wrong_and_how_to_mend_it(sqlite: Database) -> None:
    """A wrong variable, a setting that cannot be and a clock that is ahead: each is found, and the status is 1."""
    with sqlite.writing() as connection:
        connection.exec_driver_sql("INSERT INTO system_settings VALUES ('task_trace_max_events', '\"many\"', 1, 'x')")
        connection.exec_driver_sql(
            "INSERT INTO system_settings_audit VALUES (1, 'task_trace_max_events', NULL, '\"many\"', 1, 'x')"
        )
    trace_id = write_trace(sqlite, [b"x"])
    change_trace(sqlite, trace_id, last_event_at=time.time_ns() // 1000 + DAY_US)
    done = on(sqlite, "doctor", "--json", TRACEKIT_BUFFER_BYTES="lots")
    wrong = {found["check"]: found for found in map(json.loads, done.out.splitlines()) if found["state"] == "wrong"}
    assert done.status == 1
    assert wrong.keys() == {"environment", "settings", "clock"}
    assert "TRACEKIT_BUFFER_BYTES" in wrong["environment"]["found"]
    assert "task_trace_max_events" in wrong["settings"]["found"]
    assert all(found["advice"] for found in wrong.values())
