"""How recording stands, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until

from tracekit import Recorder, hookimpl
from tracekit_admin import Admin
from tracekit_admin.schemas import Health


def health(answer: httpx.Response) -> dict[str, Any]:
    """The health in an answer, which is as the document describes it."""
    Health.model_validate_json(answer.content, strict=True)
    document: dict[str, Any] = answer.json()
    return document


def test_all_is_well(admin: httpx.Client, recorder: Recorder) -> None:
    """Database, writer, drops, plugins, disk and process, each with its figures."""
    answer = admin.get("/api/health")
    assert answer.status_code == 200
    found = health(answer)
    assert found["status"] == "ok"
    assert (found["database"]["dialect"], found["database"]["ready"]) == ("sqlite", True)
    assert found["writer"]["alive"]
    assert found["disk"]["free_bytes"] > 0
    assert found["process"]["process_id"] == recorder.process_id
    assert {"exporters", "openai"} <= {plugin["name"] for plugin in found["plugins"]}


def test_the_last_flush_is_a_moment(admin: httpx.Client, recorder: Recorder) -> None:
    """ISO 8601 like every other time, and none before the first."""
    assert health(admin.get("/api/health"))["writer"]["last_flush_at"] is None
    recorder.writer.counters.last_flush_at = 1_700_000_000.25
    flushed_at = health(admin.get("/api/health"))["writer"]["last_flush_at"]
    assert datetime.fromisoformat(flushed_at).timestamp() == 1_700_000_000.25


class Faulty:
    """A plugin that fails when the settings change."""

    @hookimpl
    def tracekit_settings_changed(self, old: object, new: object) -> None:
        raise RuntimeError("broken on purpose")


def test_a_plugin_that_fails_is_named(sqlite_url: str, serve: Serve) -> None:
    """Recording goes on, so the answer is still 200, but not all is well."""
    with recording_into(sqlite_url, admin_token=TOKEN, plugins=[Faulty()]) as recorder:
        address = serve(Admin(recorder))
        httpx.put(f"{address}/api/settings/system", json={"task_trace_enabled": True}, headers=BEARER)
        answer = httpx.get(f"{address}/api/health", headers=BEARER)
    found = health(answer)
    assert (answer.status_code, found["status"]) == (200, "degraded")
    (plugin,) = [plugin for plugin in found["plugins"] if plugin["name"] == "Faulty"]
    assert plugin["faults"] == 1
    assert "broken on purpose" in plugin["last_fault"]


def test_a_database_that_nobody_has_set_up_is_a_503(empty_postgres_url: str, serve: Serve) -> None:
    """The health says what to do, and so does everything that needs the database."""
    recorder = Recorder(empty_postgres_url, admin_token=TOKEN)
    try:
        address = serve(Admin(recorder))
        recorder.start()
        wait_until(lambda: recorder.health().database.problem is not None)
        answer = httpx.get(f"{address}/api/health", headers=BEARER)
        assert (answer.status_code, health(answer)["status"]) == (503, "failing")
        for path in ("/api/task-trace", "/api/settings/system", "/"):
            refused = httpx.get(address + path, headers=BEARER)
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert "tracekit migrate" in refused.json()["detail"]
    finally:
        recorder.shutdown()
