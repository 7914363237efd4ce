"""A share of the chats that nobody asked to have recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asgi import Wire, body, http_scope, request, run, start, streams
from recorders import recording, traces

import tracekit_sampling
from tracekit import TraceMiddleware
from tracekit.types import Decision, Scope

BY_DEFAULT = Decision(True, "default_on")
OUT = Decision(False, "sampled_out")


def decide(scope: Scope | None = None, decision: Decision = BY_DEFAULT) -> Decision | None:
    return tracekit_sampling.tracekit_should_record(scope or {"type": "http"}, decision)


def of_session(name: str) -> Scope:
    return {"type": "http", "headers": [(b"x-session-id", name.encode())]}


def test_without_a_ratio_everything_is_recorded() -> None:
    """The plugin is installed with tracekit, so it must not do anything by itself."""
    assert decide() is None


@pytest.mark.parametrize(("ratio", "expected"), [("0", OUT), ("0.0", OUT), ("1", None), (" 1.0 ", None), ("", None)])
def test_none_and_all(monkeypatch: pytest.MonkeyPatch, ratio: str, expected: Decision | None) -> None:
    """0 takes none, 1 takes all."""
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATIO", ratio)
    assert [decide() for _ in range(50)] == [expected] * 50


def test_what_somebody_asked_for_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the default's yes is taken back."""
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATIO", "0")
    assert decide(decision=Decision(True, "requested")) is None


def test_a_conversation_is_kept_or_left_out_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same session id gives the same answer every time, and about the right share is kept."""
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATIO", "0.25")
    drawn = [[decide(of_session(f"s-{number}")) for _ in range(3)] for number in range(2000)]
    assert all(len(set(map(str, answers))) == 1 for answers in drawn)
    assert 400 < sum(answers[0] is None for answers in drawn) < 600


@pytest.mark.parametrize("wrong", ["1.5", "-0.1", "a quarter", "nan", "inf"])
def test_a_wrong_ratio_records_everything_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, wrong: str
) -> None:
    """Nothing is lost to a typing error; the log and the health page name it."""
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATIO", wrong)
    assert [decide(), decide()] == [None, None]
    problem = "TRACEKIT_SAMPLE_RATIO: not a number from 0 to 1; everything is recorded (plugin sampling)"
    with recording(f"sqlite:///{tmp_path / 'wrong.db'}") as recorder:
        assert recorder.health().configuration_problems == (problem,)
    assert problem in [record.getMessage() for record in caplog.records]


def test_about_the_share_of_requests_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Through the middleware, which asks twice about a request that was not drawn: that gives no second chance."""
    monkeypatch.setenv("TRACEKIT_SAMPLE_RATIO", "0.5")
    messages: list[Any] = [start(), body(b"data: x\n\n"), body(more_body=False)]
    with recording(f"sqlite:///{tmp_path / 'sampled.db'}") as recorder:
        app = TraceMiddleware(streams(*messages), recorder)
        for _ in range(200):
            run(app, Wire([request()]), http_scope())
        recorded = traces(recorder)
    assert 65 < len(recorded) < 135
    assert {trace.enabled_by for trace in recorded} == {"default_on"}
