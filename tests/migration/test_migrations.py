"""The schema goes from any older version to the newest, all of it or not at all, and loses no row."""

from __future__ import annotations

import io
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import first_version
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from python_processes import environment
from sqlalchemy import insert

from tracekit.errors import SchemaError
from tracekit.models import TaskTrace
from tracekit.store import Database, TraceStore
from tracekit.store.schema import VERSION_TABLE, SchemaState, ensure, state, upgrade

ROOT = Path(__file__).parents[2]


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


# From nothing


def test_an_empty_database_gets_the_tables(empty: Database) -> None:
    """The first upgrade makes them, tells its steps, and the second has nothing to do."""
    assert state(empty).status == "missing"
    steps: list[str] = []
    after = upgrade(empty, on_step=steps.append)
    assert state(empty) == after == SchemaState(after.head, after.head, "current")
    assert steps[0] == "0001 The first tables"
    assert first_version.tables(empty) == {*first_version.TABLES, "task_trace_ingested", VERSION_TABLE}
    assert upgrade(empty, on_step=steps.append) == after
    assert len(steps) == int(after.head)


def test_looking_at_a_file_that_is_not_there_makes_none(sqlite_url: str, tmp_path: Path) -> None:
    """The state of a SQLite database that nobody has made is `missing`, and stays so."""
    assert state(Database(sqlite_url)).status == "missing"
    assert list(tmp_path.iterdir()) == []


def test_the_revisions_known_without_alembic_are_those_of_alembic() -> None:
    """File names carry the revisions, and they are one line from the first to the newest."""
    scripts = ScriptDirectory(str(files("tracekit_migrations")))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    names = sorted(Path(scripts.get_revision(revision).path).name[:4] for revision in revisions)
    assert revisions == names == [f"{number:04}" for number in range(1, len(revisions) + 1)]


def test_tables_of_the_host_are_left_alone(empty: Database) -> None:
    """A host may keep its tables and its own Alembic version in the same database."""
    with empty.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE users (name TEXT)")
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('of-the-host')")
    upgrade(empty)
    with empty.reading() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "of-the-host"
    assert "users" in first_version.tables(empty)
    empty.close()
    checked = _alembic("check", empty)
    assert (checked.returncode, checked.stdout.strip()) == (0, "No new upgrade operations detected."), checked.stderr


def test_alembic_finds_nothing_to_generate(empty: Database) -> None:
    """The migrations make exactly the tables that the code describes."""
    upgrade(empty)
    empty.close()
    checked = _alembic("check", empty)
    assert (checked.returncode, checked.stdout.strip()) == (0, "No new upgrade operations detected."), checked.stderr


def test_alembics_own_command_line_goes_up_and_down(empty: Database) -> None:
    """From the project's folder, Alembic works on the database of `TRACEKIT_DATABASE_URL`."""
    assert _alembic("upgrade head", empty).returncode == 0
    assert state(empty).status == "current"
    assert _alembic("downgrade base", empty).returncode == 0
    assert first_version.tables(empty) == {VERSION_TABLE}


def test_the_sql_that_alembic_prints_makes_the_tables(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not run migrations from a program runs their SQL by hand."""
    monkeypatch.setenv("TRACEKIT_DATABASE_URL", _url(empty))
    printed = io.StringIO()
    config = Config(output_buffer=printed)
    config.set_main_option("script_location", str(files("tracekit_migrations")).replace("%", "%%"))
    command.upgrade(config, "head", sql=True)
    with empty.migrating() as connection:
        for statement in printed.getvalue().split(";"):
            if statement.strip() not in ("", "BEGIN", "COMMIT"):
                connection.exec_driver_sql(statement)
    assert state(empty).status == "current"


def _alembic(arguments: str, database: Database) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments.split()],
        cwd=ROOT,
        env=environment(TRACEKIT_DATABASE_URL=_url(database)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# From the first version


def test_what_the_first_version_recorded_can_be_read(used: Database) -> None:
    """After the upgrade every trace, event, frame, setting and change is there."""
    upgrade(used)
    store = TraceStore(used)
    assert [trace.trace_id for trace in store.list_traces().items] == [first_version.RUNNING, first_version.COMPLETED]
    record = store.get(first_version.COMPLETED)
    assert (record.status, record.prompt_preview, record.answer_preview) == ("completed", "你好", "Hi ☃")
    events = store.events(first_version.COMPLETED).events
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert b"".join(store.body(first_version.COMPLETED)) == b"".join(raw for _, raw in first_version.FRAMES)
    assert store.texts(first_version.COMPLETED).answer == "Hi ☃"
    with used.reading() as connection:
        assert connection.exec_driver_sql("SELECT value FROM system_settings").scalar() == "500"
        assert connection.exec_driver_sql("SELECT count(*) FROM task_trace_spans").scalar() == 2
        assert connection.exec_driver_sql("SELECT host FROM task_trace_processes").scalar() == "host"


def test_a_number_of_a_deleted_trace_is_not_given_again(used: Database) -> None:
    """Events that a process writes late for a deleted trace can never land in another trace."""
    upgrade(used)
    with used.writing() as connection:
        last = connection.exec_driver_sql("SELECT max(id) FROM task_traces").scalar_one()
        connection.exec_driver_sql(f"DELETE FROM task_traces WHERE id = {last}")
        assert connection.exec_driver_sql(f"SELECT 1 FROM task_trace_events WHERE trace_key = {last}").all() == []
    with used.writing() as connection:
        row = connection.exec_driver_sql("SELECT * FROM task_traces").mappings().first()
        assert row is not None
        new = {name: value for name, value in row.items() if name != "id"} | {"trace_id": "new"}
        connection.execute(insert(TaskTrace.metadata.tables["task_traces"]).values(new))
        assert connection.exec_driver_sql("SELECT id FROM task_traces WHERE trace_id = 'new'").scalar_one() > last


# Other versions


def test_a_newer_schema_is_refused_and_not_touched(used: Database) -> None:
    """An older tracekit started on a newer database says so; not a byte of it changes."""
    with used.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    before = first_version.contents(used)
    for action in (ensure, upgrade):
        with pytest.raises(SchemaError, match=r"(?s)9999.*newer.*nothing was touched"):
            action(used)
    assert first_version.contents(used) == before
    assert state(used).status == "newer"


def test_postgresql_is_not_changed_without_being_asked(empty_postgres_url: str) -> None:
    """An app that starts on PostgreSQL without tables says which command makes them."""
    database = Database(empty_postgres_url)
    with pytest.raises(SchemaError, match=r"no tables of tracekit yet.*run: tracekit migrate"):
        ensure(database)
    assert first_version.tables(database) == set()
    database.close()
