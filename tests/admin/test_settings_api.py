"""Reading and changing the runtime settings over HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until

from tracekit import Recorder
from tracekit.config import SystemSettings
from tracekit_admin import Admin
from tracekit_admin.schemas import AuditPage, Settings

SETTINGS = "/api/settings/system"
EACH = {
    "task_trace_enabled": True,
    "task_trace_default_on": True,
    "task_trace_admin_only": False,
    "task_trace_env": "both",
    "task_trace_retention_days": 30,
    "task_trace_payload_retention_days": 3,
    "task_trace_max_events": 500,
    "task_trace_idle_timeout_ms": 5000,
    "task_trace_payload_max_length": 1024,
    "task_trace_flush_interval_ms": 100,
}


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder on each kind of database."""
    with recording_into(database_url, admin_token=TOKEN, settings={}) as recorder:
        yield recorder


def values(answer: httpx.Response) -> dict[str, Any]:
    """The values of the settings in an answer, which is as the document describes it."""
    assert answer.status_code == 200, answer.text
    Settings.model_validate_json(answer.content, strict=True)
    document = answer.json()
    assert answer.headers["etag"] == f'"{document["version"]}"'
    return {key: setting["value"] for key, setting in document["settings"].items()}


def changes(admin: httpx.Client) -> list[dict[str, Any]]:
    answer = admin.get(f"{SETTINGS}/audit")
    AuditPage.model_validate_json(answer.content, strict=True)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_every_setting_is_told_with_all_that_is_known_of_it(admin: httpx.Client) -> None:
    """Value, default, source, what it does, and that nobody has changed it."""
    document = admin.get(SETTINGS).json()
    assert document["settings"].keys() == SystemSettings.model_fields.keys()
    setting = document["settings"]["task_trace_retention_days"]
    assert (setting["value"], setting["default"], setting["source"]) == (7, 7, "default")
    assert "deleted" in setting["description"]
    assert (setting["updated_at"], setting["updated_by"]) == (None, None)


def test_the_environment_is_named_as_a_source(database_url: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first value from the environment is one, until an admin changes it."""
    monkeypatch.setenv("TASK_TRACE_RETENTION_DAYS", "30")
    with recording_into(database_url, admin_token=TOKEN, settings={}) as recorder:
        address = serve(Admin(recorder)) + SETTINGS
        answers = (
            httpx.get(address, headers=BEARER),
            httpx.put(address, headers=BEARER, json={"task_trace_retention_days": 5}),
        )
    found = [answer.json()["settings"]["task_trace_retention_days"] for answer in answers]
    assert [(setting["value"], setting["source"]) for setting in found] == [(30, "environment"), (5, "database")]


def test_some_settings_can_be_changed_or_all(admin: httpx.Client, recorder: Recorder) -> None:
    """What is left out stays; the answer is what is in force now."""
    before = values(admin.get(SETTINGS))
    after = values(admin.put(SETTINGS, json={"task_trace_enabled": True}))
    assert after == {**before, "task_trace_enabled": True}
    assert values(admin.put(SETTINGS, json=EACH)) == EACH == values(admin.get(SETTINGS))
    assert recorder.settings.current.model_dump() == EACH


def test_a_change_is_noted_with_author_and_time(admin: httpx.Client) -> None:
    """From what to what, by whom, when: in the audit and beside the setting."""
    admin.put(SETTINGS, json={"task_trace_enabled": True, "task_trace_env": "dev"})
    (change,) = changes(admin)
    assert (change["key"], change["old_value"], change["new_value"]) == ("task_trace_enabled", False, True)
    assert change["changed_by"] == "admin"
    setting = admin.get(SETTINGS).json()["settings"]["task_trace_enabled"]
    assert (setting["source"], setting["updated_by"]) == ("database", "admin")
    assert setting["updated_at"] == change["changed_at"]
    assert abs(datetime.now().astimezone() - datetime.fromisoformat(change["changed_at"])).total_seconds() < 60


def test_the_audit_is_newest_first_and_goes_on(admin: httpx.Client) -> None:
    """Page by page, each change once."""
    for days in range(1, 6):
        admin.put(SETTINGS, json={"task_trace_retention_days": days})
    seen, cursor = [], ""
    while cursor is not None:
        page = admin.get(f"{SETTINGS}/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [change["new_value"] for change in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]


def test_one_wrong_field_changes_nothing(admin: httpx.Client) -> None:
    """All or none, and every wrong field is named."""
    before = admin.get(SETTINGS).json()
    wrong = {
        **EACH,
        "task_trace_retention_days": -1,
        "task_trace_env": "moon",
        "task_trace_max_events": "500",
        "task_trace_default_on": 1,
        "no_such_setting": True,
    }
    answer = admin.put(SETTINGS, json=wrong)
    assert answer.status_code == 422
    named = {error["field"] for error in answer.json()["errors"]}
    assert named == {name for name in wrong if name not in EACH or wrong[name] != EACH[name]} | {
        "task_trace_default_on"
    }
    assert admin.get(SETTINGS).json() == before
    assert changes(admin) == []


def test_no_setting_takes_null(admin: httpx.Client) -> None:
    """There is no such value as none."""
    answer = admin.put(SETTINGS, json=dict.fromkeys(EACH))
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == EACH.keys()


def test_a_change_of_an_old_version_is_refused(admin: httpx.Client) -> None:
    """Who read before somebody else wrote is told to read again."""
    tag = admin.get(SETTINGS).headers["etag"]
    assert admin.put(SETTINGS, json={"task_trace_max_events": 300}, headers={"If-Match": tag}).status_code == 200
    answer = admin.put(SETTINGS, json={"task_trace_max_events": 400}, headers={"If-Match": tag})
    assert answer.status_code == 412
    assert answer.headers["content-type"] == "application/problem+json"
    assert values(admin.get(SETTINGS))["task_trace_max_events"] == 300


def test_if_match_is_read_as_http_says(admin: httpx.Client) -> None:
    """A star matches, one of several may, weak and foreign tags never do (RFC 9110, section 13.1.1)."""
    tag = admin.get(SETTINGS).headers["etag"]
    for matching in ("*", tag, f'"77", {tag}', f'{tag},"x"'):
        assert admin.put(SETTINGS, json={}, headers={"If-Match": matching}).status_code == 200
    for other in (f"W/{tag}", '"77"', '"x"', "0", '"-1"', '""', '"' + "9" * 400 + '"'):
        assert admin.put(SETTINGS, json={}, headers={"If-Match": other}).status_code == 412


def test_changes_at_the_same_time_do_not_lose_one_another(admin: httpx.Client) -> None:
    """Different settings changed by many at once all hold."""
    with ThreadPoolExecutor(len(EACH)) as pool:
        answers = list(pool.map(lambda item: admin.put(SETTINGS, json=dict([item])), EACH.items()))
    assert {answer.status_code for answer in answers} == {200}
    assert values(admin.get(SETTINGS)) == EACH
    assert {change["key"] for change in changes(admin)} == EACH.keys()


def test_of_many_conditional_changes_one_wins(admin: httpx.Client) -> None:
    """With the same ETag exactly one change is made."""
    tag = admin.get(SETTINGS).headers["etag"]

    def change(days: int) -> int:
        return admin.put(SETTINGS, json={"task_trace_retention_days": days}, headers={"If-Match": tag}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(change, range(100, 108)))
    assert statuses == [200] + [412] * 7
    assert len(changes(admin)) == 1


def test_another_process_follows_within_two_seconds(admin: httpx.Client, database_url: str) -> None:
    """Every worker sees a change soon, wherever it was made."""
    with recording_into(database_url) as other:
        admin.put(SETTINGS, json={"task_trace_max_events": 12345})
        wait_until(lambda: other.settings.current.task_trace_max_events == 12345, seconds=2)
