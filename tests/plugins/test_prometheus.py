"""Metrics are what Prometheus's own parser reads, behind the same check as everything in the admin."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from admin_server import BEARER, TOKEN, recording_into, serving
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tracekit import Recorder
from tracekit.alerts import RULES
from tracekit_admin import Admin
from tracekit_prometheus import plugin

Samples = dict[tuple[str, str], float]


@pytest.fixture
def recorder(sqlite_url: str) -> Iterator[Recorder]:
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder:
        yield recorder


@pytest.fixture
def address(recorder: Recorder) -> Iterator[str]:
    with serving(Admin(recorder)) as address:
        yield address


def samples(address: str) -> Samples:
    """All samples of a scrape, by name and the value of their label."""
    answer = httpx.get(f"{address}/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in plain(answer.text)
        for sample in family.samples
    }


def test_a_scrape_tells_how_the_recorder_stands(recorder: Recorder, address: str) -> None:
    """Queue, spool, flushes, answers, sizes, losses, faults, memory and alerts."""
    recorder.budget.appended += 1000
    recorder.writer.counters.failed_events = 7
    recorder.writer.counters.flush_ms.extend([100.0] * 99 + [3000.0])
    recorder.api_times.note(250.0)
    recorder.plugins.fence.faults["logging"] = 2
    found = samples(address)
    assert found["tracekit_queue_bytes", ""] == 1000
    assert found["tracekit_spool_bytes", ""] == 0
    assert [found["tracekit_flush_seconds", share] for share in ("0.5", "0.95", "0.99")] == [0.1, 0.1, 3.0]
    assert found["tracekit_api_seconds", "0.95"] == 0.25
    assert found["tracekit_database_bytes", ""] > 0
    assert found["tracekit_process_memory_bytes", ""] > 1_000_000
    assert found["tracekit_dropped_total", "refused_event"] == 7
    assert found["tracekit_plugin_faults_total", "logging"] == 2
    assert found["tracekit_healthy", ""] == 0


def test_every_rule_has_a_sample_that_is_1_while_its_alert_stands(recorder: Recorder, address: str) -> None:
    """So that a rule of Prometheus can name it before it was ever raised."""
    assert [samples(address)["tracekit_alert_raised", rule.name] for rule in RULES] == [0] * len(RULES)
    for _ in range(50):
        recorder.api_times.note(6000.0)
    recorder._self_watch.look()
    found = samples(address)
    assert {rule.name for rule in RULES if found["tracekit_alert_raised", rule.name]} == {"api_slow"}


def test_openmetrics_is_written_for_who_asks_for_it(address: str) -> None:
    """And its own, stricter parser reads it."""
    headers = {**BEARER, "Accept": "application/openmetrics-text; version=1.0.0"}
    answer = httpx.get(f"{address}/metrics", headers=headers)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "tracekit_queue_bytes" in {family.name for family in openmetrics(answer.text)}


def test_metrics_are_closed_to_strangers(address: str) -> None:
    """They tell how the app does."""
    assert httpx.get(f"{address}/metrics").status_code == 401


def test_without_the_library_nothing_is_wrong_and_who_asks_is_told(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra: the plugin is loaded, health is ok, and the answer says what to install."""
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with serving(Admin(recorder)) as address:
        answer = httpx.get(f"{address}/metrics", headers=BEARER)
    assert answer.status_code == 404
    assert "pip install 'tracekit[metrics]'" in answer.json()["detail"]
    assert recorder.health().status == "ok"
