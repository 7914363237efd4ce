"""Phases, checkpoints, work items, progress and retries: what a job tells of itself, by the names readers look for."""

from __future__ import annotations

import asyncio
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import Play

from tracekit import current_trace
from tracekit.trace import NO_TRACE, NullTrace, TaskTraceRecorder


def tell_everything(trace: Any) -> None:
    """Every milestone there is."""
    with trace.phase("load"):
        trace.checkpoint_committed("rows loaded", evidence=["s3://bucket/rows.parquet", "rows:1200"], rows=1200)
    trace.checkpoint_verified("rows loaded", ok=False, evidence="sha256:abc")
    trace.work_item_started("page-7", url="/p/7")
    trace.work_item_progress("page-7", 3, 10)
    trace.work_item_finished("page-7", ok=False, error="404")
    trace.persist_progress(3, table="pages")
    trace.retry(2, reason="RATE_LIMITED", delay_s=1.5)


def test_each_milestone_is_an_event_of_its_own(play: Play):
    """With the names and values that were given."""
    run = play(lambda: tell_everything(current_trace()))
    assert [(event.event_type, event.payload, event.phase) for event in run.events[1:-1]] == [
        ("phase.entered", {"phase": "load"}, "load"),
        (
            "checkpoint.committed",
            {"name": "rows loaded", "evidence": ["s3://bucket/rows.parquet", "rows:1200"], "rows": 1200},
            "load",
        ),
        ("phase.exited", {"phase": "load"}, "load"),
        ("checkpoint.verified", {"name": "rows loaded", "ok": False, "evidence": ["sha256:abc"]}, None),
        ("work_item.started", {"item": "page-7", "url": "/p/7"}, None),
        ("work_item.progress", {"item": "page-7", "done": 3, "total": 10}, None),
        ("work_item.finished", {"item": "page-7", "ok": False, "error": "404"}, None),
        ("persist.progress", {"saved": 3, "table": "pages"}, None),
        ("retry", {"attempt": 2, "reason": "RATE_LIMITED", "delay_s": 1.5}, None),
    ]


def test_where_nothing_is_recorded_they_do_nothing():
    """The same code runs with recording off."""
    tell_everything(NO_TRACE)
    tell_everything(current_trace())


def test_what_a_trace_does_not_take_nothing_takes():
    """A typing error is seen at once, and not on the day on which recording is switched on."""
    with pytest.raises(TypeError, match="nope"):
        current_trace().annotate(nope="x")  # type: ignore[call-arg]
    told = {name for name in vars(TaskTraceRecorder) if not name.startswith("_")}
    for name in set(vars(NullTrace)) & told - {"recording", "trace_id"}:
        assert signature(getattr(NullTrace, name)) == signature(getattr(TaskTraceRecorder, name)), name


def test_events_carry_the_phase_in_which_they_happen(play: Play):
    """From any task; a phase that is entered within another takes its place until it is left."""

    async def work() -> None:
        trace = current_trace()
        trace.log("test.before")
        with trace.phase("plan"):
            trace.log("test.plan")
            with trace.phase("detail"):
                await asyncio.create_task(say("test.detail"))
            trace.log("test.between")
        with trace.phase("act"):
            trace.log("test.act")
        trace.log("test.after")

    async def say(event_type: str) -> None:
        current_trace().log(event_type)

    run = play(work)
    phases = {event.event_type: event.phase for event in run.events if event.event_type.startswith("test.")}
    assert phases == {
        "test.before": None, "test.plan": "plan", "test.detail": "detail", "test.between": None, "test.act": "act",
        "test.after": None,
    }  # fmt: skip


def test_phases_that_overlap_end_the_one_that_is_left(play: Play):
    """Leaving an earlier phase does not end the one that was entered since."""

    def work() -> None:
        trace = current_trace()
        first, second = trace.phase("first"), trace.phase("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        trace.log("test.still")
        second.__exit__(None, None, None)
        trace.log("test.none")

    run = play(work)
    phases = [event.phase for event in run.events if event.event_type.startswith("test.")]
    assert phases == ["second", None]


def test_a_phase_is_left_by_an_error_too(play: Play):
    """The error goes on."""

    def work() -> None:
        trace = current_trace()
        try:
            with trace.phase("load"):
                raise LookupError("gone")
        except LookupError:
            trace.log("test.after")

    run = play(work)
    assert run.types == ["phase.entered", "phase.exited", "test.after"]
    assert run.events[3].phase is None


def test_what_is_given_may_be_anything(play: Play):
    """Nothing raises: evidence that is no list, values of any type, names that are none."""

    def work() -> None:
        trace: Any = current_trace()
        for evidence in (None, 5, object(), Path("/x"), {"a": 1}, ("a", "b"), iter([1]), "\0\ud800"):
            trace.checkpoint_committed("c", evidence=evidence)
        trace.work_item_progress(object(), "three", float("nan"))
        trace.retry("twice", reason=ValueError("x"))
        with trace.phase(None):
            trace.log("test.inside")
        with trace.phase("x" * 1000):
            trace.log("test.inside")

    run = play(work)
    evidence = [payload["evidence"] for payload in run.payloads("checkpoint.committed")]
    assert evidence[:2] == [[], [5]]
    assert evidence[3:6] == [["/x"], [{"a": 1}], ["a", "b"]]
    assert len(evidence) == 8
    assert [event.phase for event in run.events if event.event_type == "test.inside"] == ["None", "x" * 128]
