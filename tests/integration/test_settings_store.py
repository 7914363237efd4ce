"""The runtime settings: changed by one process, followed by all, audited, never half."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekit.config import InitialSettings, SystemSettings
from tracekit.errors import Conflict, InvalidInput, InvalidSettings, StoreUnavailable
from tracekit.settings_store import SettingsStore
from tracekit.store import Database


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting comes from the environment that the tests run in, and one does from their own."""
    for name in SystemSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TASK_TRACE_MAX_EVENTS", "500")
    return


def _store(database: Database, seen: list[tuple[SystemSettings, SystemSettings]] | None = None) -> SettingsStore:
    on_change = None if seen is None else (lambda old, new: seen.append((old, new)))
    return SettingsStore(database, InitialSettings(), on_change=on_change)


def _execute(database: Database, statement: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(statement)


def _source(store: SettingsStore, key: str) -> str:
    return next(facts.source for facts in store.describe() if facts.key == key)


def test_before_the_database_is_read_the_first_values_are_in_force(database: Database) -> None:
    """They come from the environment and the defaults, so a request can be decided on at once."""
    store = _store(database)
    assert (store.current.task_trace_max_events, store.current.task_trace_enabled) == (500, False)
    assert (store.loaded, store.version, type(store.current)) == (False, 0, SystemSettings)


def test_a_change_is_followed_by_another_process(database: Database) -> None:
    """What one store changes, another sees with its next refresh, and tells it once."""
    seen: list[tuple[SystemSettings, SystemSettings]] = []
    here, there = _store(database), _store(database, seen)
    there.refresh()
    new = here.update({"task_trace_enabled": True, "task_trace_env": "both"}, by="ann")
    assert here.current == new
    there.refresh()
    there.refresh()
    assert there.current == new
    assert there.version == here.version > 0
    assert [(old.task_trace_enabled, new.task_trace_enabled) for old, new in seen] == [(False, True)]


def test_a_refresh_without_a_change_keeps_the_very_same_value(database: Database) -> None:
    """Nothing is read or built anew while the version stands."""
    store = _store(database)
    store.update({"task_trace_max_events": 600}, by="ann")
    store.refresh()
    before = store.current
    store.refresh()
    assert store.current is before


def test_a_change_is_told_where_it_is_made_too(database: Database) -> None:
    """The process that changes a setting runs its own hooks at once."""
    seen: list[tuple[SystemSettings, SystemSettings]] = []
    store = _store(database, seen)
    store.update({"task_trace_max_events": 700}, by="ann")
    assert [(old.task_trace_max_events, new.task_trace_max_events) for old, new in seen] == [(500, 700)]


def test_each_setting_says_where_its_value_comes_from(database: Database) -> None:
    """Default, environment or database, with the last change."""
    store = _store(database)
    assert _source(store, "task_trace_max_events") == "environment"
    store.update({"task_trace_enabled": True}, by="ann")
    facts = {fact.key: fact for fact in store.describe()}
    assert list(facts) == list(SystemSettings.model_fields)
    enabled, untouched = facts["task_trace_enabled"], facts["task_trace_env"]
    assert (enabled.value, enabled.default, enabled.source, enabled.updated_by) == (True, False, "database", "ann")
    assert enabled.updated_at is not None
    assert enabled.updated_at > 1_700_000_000_000_000
    assert (untouched.value, untouched.source, untouched.updated_at, untouched.updated_by) == (
        "dev",
        "default",
        None,
        None,
    )
    assert all(fact.description for fact in facts.values())


def test_a_setting_of_the_database_goes_before_the_environment(database: Database) -> None:
    """The environment gives first values only."""
    _store(database).update({"task_trace_max_events": 900}, by="ann")
    later = _store(database)
    later.refresh()
    assert later.current.task_trace_max_events == 900
    assert _source(later, "task_trace_max_events") == "database"


def test_wrong_settings_are_all_named_and_nothing_is_changed(database: Database) -> None:
    """One bad field keeps the good ones out too."""
    store = _store(database)
    changes = {
        "task_trace_enabled": True,
        "task_trace_env": "test",
        "task_trace_max_events": "600",
        "task_trace_retention_days": -1,
        "task_trace_admin_only": 1,
        "nonsense": 1,
    }
    with pytest.raises(InvalidSettings) as caught:
        store.update(changes, by="ann")
    assert set(caught.value.faults) == set(changes) - {"task_trace_enabled"}
    assert caught.value.faults["nonsense"] == "there is no such setting"
    assert store.audit() == []
    store.refresh()
    assert not store.current.task_trace_enabled


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


_changes = st.dictionaries(st.sampled_from([*SystemSettings.model_fields, "x", "\ud800"]), _json, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(changes=_changes | _json)
def test_whatever_is_asked_for_the_settings_stay_valid(database: Database, changes: Any) -> None:
    """Any JSON is either a valid change or refused with an error that names the field."""
    store = _store(database)
    with suppress(InvalidSettings):
        store.update(changes, by="anyone")
    again = _store(database)
    again.refresh()
    assert again.problem is None
    assert again.current.changed({}) == again.current


def test_changes_of_different_settings_at_the_same_time_both_hold(database: Database) -> None:
    """Nobody's change is lost because somebody else's came in between."""

    def change(days: int) -> None:
        key = "task_trace_retention_days" if days % 2 else "task_trace_payload_retention_days"
        _store(database).update({key: days}, by="ann")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(1, 21)))
    store = _store(database)
    store.refresh()
    assert store.current.task_trace_retention_days % 2 == 1
    assert store.current.task_trace_payload_retention_days % 2 == 0
    assert store.current.task_trace_payload_retention_days > 0


def test_the_audit_is_a_chain(database: Database) -> None:
    """With many writers of one setting, each change starts from the value that the one before it left."""

    def change(count: int) -> None:
        _store(database).update({"task_trace_max_events": count}, by=f"user-{count}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(1000, 1020)))
    entries = _store(database).audit(limit=500)[::-1]
    assert len(entries) == 20
    assert entries[0].old_value == 500
    assert all(before.new_value == after.old_value for before, after in pairwise(entries))
    assert all(entry.changed_by == f"user-{entry.new_value}" for entry in entries)


def test_a_change_from_a_stale_view_is_refused(database: Database) -> None:
    """Who edits an old version is told, and nothing is changed; with the current one it works."""
    mine, other = _store(database), _store(database)
    mine.refresh()
    other.update({"task_trace_max_events": 600}, by="ann")
    with pytest.raises(Conflict, match=f"version is {other.version}"):
        mine.update({"task_trace_max_events": 700}, by="ben", expected_version=mine.version)
    mine.refresh()
    assert mine.current.task_trace_max_events == 600
    mine.update({"task_trace_max_events": 700}, by="ben", expected_version=mine.version)
    assert mine.current.task_trace_max_events == 700


def test_a_value_that_is_in_force_already_leaves_no_trace(database: Database) -> None:
    """Saving a form unchanged makes no entry, no new version, and no setting of the database's."""
    store = _store(database)
    store.update({"task_trace_max_events": 500, "task_trace_env": "dev"}, by="ann")
    assert (store.audit(), store.version, _source(store, "task_trace_env")) == ([], 0, "default")


def test_the_audit_says_who_changed_what_from_what(database: Database) -> None:
    """Newest first, page by page."""
    store = _store(database)
    for count in (600, 700, 800):
        store.update({"task_trace_max_events": count}, by="ann")
    entries = store.audit(limit=2)
    assert [(entry.key, entry.old_value, entry.new_value) for entry in entries] == [
        ("task_trace_max_events", 700, 800),
        ("task_trace_max_events", 600, 700),
    ]
    assert [entry.new_value for entry in store.audit(limit=2, before_id=entries[-1].id)] == [600]
    assert entries[0].id == store.version
    with pytest.raises(InvalidInput, match="limit"):
        store.audit(limit=0)


def test_a_name_that_no_database_takes_is_mended(database: Database) -> None:
    """NUL, lone surrogates and endless names come from headers; the change holds all the same."""
    store = _store(database)
    store.update({"task_trace_max_events": 600}, by="a\0b\ud800" + "x" * 10_000)
    name = store.audit()[0].changed_by
    assert name.startswith("a\ufffdb?xx")
    assert len(name) == 256


@pytest.mark.parametrize("value", ['"many"', "1", "[]", "{", "", "1e400", '"\\ud800"', "[" * 100_000])
def test_a_stored_value_that_cannot_be_leaves_the_last_good_one(database: Database, value: str) -> None:
    """The other settings are followed; the problem names the key, and goes when the value is mended."""
    store = _store(database)
    store.update({"task_trace_max_events": 600}, by="ann")
    _store(database).update({"task_trace_env": "prod"}, by="ann")
    _execute(database, f"UPDATE system_settings SET value = '{value}' WHERE key = 'task_trace_max_events'")
    store.refresh()
    assert (store.current.task_trace_max_events, store.current.task_trace_env) == (600, "prod")
    assert "task_trace_max_events: the stored value is not used" in str(store.problem)
    store.update({"task_trace_max_events": 600}, by="ann")
    assert store.problem is None
    assert store.audit(limit=1)[0].old_value is None


def test_a_setting_of_a_newer_version_is_left_alone(database: Database) -> None:
    """Two versions may work on one database; what only the newer one knows is no problem to the older."""
    _execute(database, "INSERT INTO system_settings VALUES ('task_trace_new', '1', 0, 'newer')")
    store = _store(database)
    store.refresh()
    assert store.problem is None
    store.update({"task_trace_max_events": 600}, by="ann")
    with database.reading() as connection:
        keys = list(connection.exec_driver_sql("SELECT key FROM system_settings ORDER BY key").scalars())
    assert keys == ["task_trace_max_events", "task_trace_new"]


def test_while_the_database_cannot_be_read_the_last_good_values_stay(database: Database) -> None:
    """The caller is told, the settings stay, and the problem goes when the database is back."""
    store = _store(database)
    store.update({"task_trace_max_events": 600}, by="ann")
    _execute(database, "ALTER TABLE system_settings_audit RENAME TO away")
    with pytest.raises(StoreUnavailable):
        store.refresh()
    assert store.current.task_trace_max_events == 600
    assert "system_settings_audit" in str(store.problem)
    _execute(database, "ALTER TABLE away RENAME TO system_settings_audit")
    _store(database).update({"task_trace_max_events": 700}, by="ann")
    store.refresh()
    assert (store.current.task_trace_max_events, store.problem) == (700, None)


def test_settings_of_a_replaced_database_are_followed(database: Database) -> None:
    """A database that was set back, and so has an older version, counts as changed."""
    store = _store(database)
    store.update({"task_trace_max_events": 600}, by="ann")
    _execute(database, "DELETE FROM system_settings")
    _execute(database, "DELETE FROM system_settings_audit")
    store.refresh()
    assert (store.current.task_trace_max_events, store.version) == (500, 0)


def test_values_are_stored_as_json(database: Database) -> None:
    """Any tool can read the table."""
    _store(database).update({"task_trace_enabled": True, "task_trace_env": "both"}, by="ann")
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT key, value FROM system_settings").all()
    assert {key: json.loads(value) for key, value in rows} == {"task_trace_enabled": True, "task_trace_env": "both"}
