"""tracekit watches itself: what goes wrong is found within a second or two, said once, and told to plugins."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from admin_server import wait_until
from command_line import tracekit as command
from process_rows import let_time_pass
from recorders import ENVIRONMENT, recording
from serving import RawClient, serve_in_process

from tracekit import Recorder, alerts, hookimpl, self_watch
from tracekit.alerts import Alert
from tracekit.errors import StoreUnavailable
from tracekit.liveness import DEAD_AFTER_S


class Told:
    """A plugin that keeps what it is told, and on which thread."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.threads: set[str] = set()

    @hookimpl
    def tracekit_alert(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def _clears_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One good look ends an alert."""
    monkeypatch.setattr(alerts, "CLEARS_AFTER", 1)


def raised(recorder: Recorder) -> list[str]:
    return [alert.rule for alert in recorder.health().alerts]


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was logged of alerts."""
    found = [record for record in caplog.records if record.name == "tracekit.alerts"]
    return [(record.levelname, record.getMessage()) for record in found]


@pytest.mark.usefixtures("_clears_soon")
def test_an_alert_is_one_line_when_it_is_raised_and_one_when_it_is_over(
    sqlite_url: str, told: Told, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Health is degraded in between; plugins hear of both on the housekeeping thread."""
    caplog.set_level(logging.INFO, "tracekit.alerts")
    memory = [2_000_000_000]
    monkeypatch.setattr(self_watch, "resident_bytes", lambda: memory[0])
    with recording(sqlite_url, plugins=[told]) as recorder:
        wait_until(lambda: raised(recorder) == ["memory_high"])
        assert recorder.health().status == "degraded"
        memory[0] = 1_000
        wait_until(lambda: raised(recorder) == [])
        assert recorder.health().status == "ok"
    (first, wrong), (second, over) = lines(caplog)
    assert (first, second) == ("ERROR", "INFO")
    assert wrong == "alert memory_high: A process takes too much memory. 2.0 GB, where 1.0 GB is the limit"
    assert over.startswith("alert memory_high is over after ")
    assert [alert.cleared_at is None for alert in told.alerts] == [True, False]
    assert told.threads == {"tracekit-housekeeping"}


def test_the_limit_of_the_memory_is_an_option(sqlite_url: str) -> None:
    """A process takes more than a megabyte; 0 says that nobody minds."""
    for limit, expected in ((1_000_000, ["memory_high"]), (0, [])):
        with recording(sqlite_url, memory_alert_bytes=limit) as recorder:
            wait_until(lambda: recorder.health().database.ready)
            recorder._self_watch.look()
            assert raised(recorder) == expected
            assert recorder.health().process.memory_bytes > 1_000_000


def test_a_database_that_refuses_three_times_is_an_alert(
    sqlite_url: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it says."""

    def refuse(*_: Any) -> None:
        raise StoreUnavailable("the server is on fire")

    with recording(sqlite_url, plugins=[told]) as recorder:
        monkeypatch.setattr(recorder.database, "writing", refuse)
        with recorder.trace("job"):
            pass
        wait_until(lambda: "write_failures" in raised(recorder))
        (alert,) = recorder.health().alerts
        assert "the server is on fire" in alert.detail
        monkeypatch.undo()
    assert [alert.rule for alert in told.alerts] == ["write_failures"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_died_is_an_alert_and_another_takes_its_place(
    sqlite_url: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found dead before it is started anew; nothing is lost by that."""

    def die() -> None:
        raise RuntimeError("the thread is gone")

    with recording(sqlite_url, plugins=[told]) as recorder:
        monkeypatch.setattr(recorder.writer, "_pause", die)
        recorder.writer.wake()
        wait_until(lambda: not recorder.writer.alive)
        monkeypatch.undo()
        wait_until(lambda: raised(recorder) == ["writer_silent"] and recorder.writer.alive)
        with recorder.trace("job"):
            pass
        assert recorder.flush(10).complete
    assert "another takes its place" in told.alerts[0].detail


def test_a_writer_that_hangs_is_an_alert_and_one_that_sleeps_is_none(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only while something waits is silence a fault."""
    monkeypatch.setattr(alerts, "_SILENT_S", 0.5)
    goes_on = threading.Event()
    with recording(sqlite_url) as recorder:
        for _ in range(2):
            threading.Event().wait(0.6)
            recorder._self_watch.look()
        assert raised(recorder) == []
        monkeypatch.setattr(recorder.writer, "_write_all", _hanging(recorder.writer._write_all, goes_on))
        with recorder.trace("job"):
            wait_until(lambda: raised(recorder) == ["writer_silent"])
        goes_on.set()
        assert recorder.flush(10).complete


def _hanging(action: Callable[[], bool], goes_on: threading.Event) -> Callable[[], bool]:
    def hang() -> bool:
        goes_on.wait(20)
        return action()

    return hang


def test_a_process_that_died_with_a_stream_open_is_an_alert_of_who_finds_it(
    sqlite_url: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for an hour, and is raised once, since a trace is ended once."""
    with serve_in_process("recorded_app:app", TRACEKIT_DATABASE_URL=sqlite_url, **ENVIRONMENT) as server:
        client = RawClient(server.port)
        client.ask("/open/3")
        client.read_until(b": stored")
        server.end(signal.SIGKILL)
        client.close()
    let_time_pass(sqlite_url, DEAD_AFTER_S)
    with recording(sqlite_url, plugins=[told]) as recorder:
        wait_until(lambda: raised(recorder) == ["process_died"])
        assert recorder.health().alerts[0].detail == "1 trace left open, found within the last hour"
        monkeypatch.setattr(alerts, "CLEARS_AFTER", 1)
        monkeypatch.setattr(self_watch, "_REMEMBERED_S", 0.0)
        wait_until(lambda: raised(recorder) == [])
    with recording(sqlite_url) as recorder:
        recorder._self_watch.look()
        assert raised(recorder) == []
    assert [alert.rule for alert in told.alerts] == ["process_died"] * 2


def test_the_doctor_tells_of_the_alerts_of_processes_that_live(tmp_path: Path) -> None:
    """Their heartbeats carry them, so any process can say so; those of a process that is gone are over."""
    url = f"sqlite:///{tmp_path / 'doctor.db'}"
    with recording(url, memory_alert_bytes=1_000_000) as recorder:
        wait_until(lambda: raised(recorder) == ["memory_high"])
        recorder._registry.beat(recorder._counters())
        done = command("doctor", "--json", "-d", url)
        (found,) = [line for line in map(json.loads, done.out.splitlines()) if line["check"] == "alerts"]
        assert (done.status, found["state"]) == (1, "wrong")
        assert "A process takes too much memory." in found["found"]
        assert found["advice"]
    findings = [json.loads(line) for line in command("doctor", "--json", "-d", url).out.splitlines()]
    assert [finding["state"] for finding in findings if finding["check"] == "alerts"] == ["ok"]
