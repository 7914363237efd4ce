"""What an app says of its steps, as it is stored: events in the trace, and a row for each span."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import Play, recorded, span_rows
from recorders import recording, written

import tracekit
from tracekit import Recorder, hookimpl

# A step and its life


def test_a_block_is_a_span(play: Play):
    """Its start, its end and how long it took are events; its row has name, layer, kind, status and times."""

    def work() -> None:
        with tracekit.span("fetch", layer="L2_executor", kind="http") as step:
            assert len(step.span_id) == 16
            time.sleep(0.002)

    run = play(work)
    assert run.types == ["span.started", "span.finished"]
    started, finished = run.events[1:3]
    assert started.payload == {"step_name": "fetch", "layer": "L2_executor", "kind": "http"}
    assert finished.payload == {"status": "success", "duration_us": finished.payload["duration_us"]}
    assert finished.payload["duration_us"] >= 2000
    span = run.span("fetch")
    assert started.span_id == finished.span_id == span["span_id"]
    assert (span["layer"], span["kind"], span["status"], span["parent_span_id"]) == (
        "L2_executor", "http", "success", None,
    )  # fmt: skip
    assert (span["started_at"], span["ended_at"]) == (started.timestamp, finished.timestamp)
    assert span["heartbeat_at"] == span["ended_at"]
    assert (span["reason_code"], span["error"], span["artifacts"]) == (None, None, None)


def test_the_async_form_does_the_same(play: Play):
    """`async with`, with work in between."""

    async def work() -> None:
        async with tracekit.span("fetch") as step:
            await asyncio.sleep(0)
            step.set_output({"found": 3})

    span = play(work).span("fetch")
    assert (span["status"], json.loads(span["output_summary"])) == ("success", {"found": 3})


def test_a_span_may_be_started_and_ended_by_hand(play: Play):
    """Where a block does not fit. It is open in between, and what begins then is inside it."""

    def work() -> None:
        step = tracekit.span("outer").start(input={"q": "x"})
        with tracekit.span("inner"):
            pass
        step.end()

    run = play(work)
    assert run.tree() == {"outer": None, "inner": "outer"}
    assert json.loads(run.span("outer")["input_summary"]) == {"q": "x"}


def test_what_is_said_twice_or_too_late_changes_nothing(play: Play):
    """A second start, a second end, a heartbeat after the end, an end without a start: none of them is an event."""

    def work() -> None:
        tracekit.span("never").end()
        step = tracekit.span("once").start()
        assert step.start() is step
        step.end()
        step.end(ValueError("too late"))
        step.heartbeat(done=3)
        step.set_output("late")
        step.set_status("blocked")
        step.add_artifact("late", "/tmp/x")
        step.start()

    run = play(work)
    assert run.types == ["span.started", "span.finished"]
    assert (run.span("once")["status"], run.span("once")["output_summary"]) == ("success", None)


def test_a_span_tells_how_it_stands(play: Play, sqlite_recorder: Recorder):
    """Queued, running, blocked, retrying, each with why; the row shows the last, and the end clears the reason."""
    seen = []

    def work() -> None:
        with tracekit.span("render") as step:
            for status, reason in [("queued", None), ("blocked", "waits for a GPU"), ("retrying", "RATE_LIMITED")]:
                step.set_status(status, reason=reason)
                written(sqlite_recorder)
                (row,) = span_rows(sqlite_recorder.database, str(step.trace_id))
                seen.append((row["status"], row["error"], row["reason_code"], row["ended_at"]))

    run = play(work)
    assert seen == [
        ("queued", None, None, None),
        ("blocked", "waits for a GPU", None, None),
        ("retrying", "RATE_LIMITED", "RATE_LIMITED", None),
    ]
    span = run.span("render")
    assert (span["status"], span["error"], span["reason_code"]) == ("success", None, None)
    assert [payload["status"] for payload in run.payloads("span.heartbeat")] == ["queued", "blocked", "retrying"]


@pytest.mark.parametrize("status", ["success", "failed", "canceled", "done", ""])
def test_a_status_that_ends_a_span_is_no_status_of_an_open_one(sqlite_recorder: Recorder, status: str):
    """Said by mistake it raises, whether the step is recorded or not, so that the mistake is found early."""
    for step in (tracekit.span("unrecorded"), tracekit.span("recorded")):
        with sqlite_recorder.trace("run"), step, pytest.raises(ValueError, match=status or "''"):
            step.set_status(status)


@pytest.mark.parametrize("status", ["running", "blocked", "done"])
def test_a_span_cannot_end_as_what_is_no_end(play: Play, status: str):
    """The mistake raises, and the span stays open until its block ends."""

    def work() -> None:
        with tracekit.span("step") as step:
            with pytest.raises(ValueError, match=status):
                step.end(status=status)
            assert not step.ended

    assert play(work).span("step")["status"] == "success"


def test_an_ending_may_be_named(play: Play):
    """A step that gave up without an exception says so."""

    def work() -> None:
        tracekit.span("gave up").start().end(status="canceled")
        tracekit.span("failed").start().end(status="failed")

    run = play(work)
    assert [span["status"] for span in run.spans] == ["canceled", "failed"]


# Errors


class _Status(Exception):
    status_code = 429


@pytest.mark.parametrize(
    ("error", "code", "reason_class"),
    [
        (TimeoutError("no answer"), "TIMEOUT", "transient"),
        (FileNotFoundError(2, "No such file", "x"), "MISSING_FILE", "persistent"),
        (PermissionError(13, "no"), "PERMISSION_DENIED", "config"),
        (ConnectionRefusedError("no"), "NETWORK_ERROR", "transient"),
        (MemoryError(), "OUT_OF_MEMORY", "resource"),
        (_Status("slow down"), "RATE_LIMITED", "transient"),
        (RuntimeError("deadlock detected"), "DEADLOCK", "transient"),
        (KeyError("x"), "UNEXPECTED_ERROR", "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_goes_on_and_is_classified(play: Play, error: Exception, code: str, reason_class: str):
    """The very exception reaches the caller; the span has failed, with reason code, class and what to do."""

    def work() -> None:
        with pytest.raises(type(error)) as caught, tracekit.span("step"):
            raise error
        assert caught.value is error

    run = play(work)
    span = run.span("step")
    assert (span["status"], span["reason_code"]) == ("failed", code)
    assert span["error"] == f"{type(error).__name__}: {error}".removesuffix(": ")
    (finished,) = run.payloads("span.finished")
    assert (finished["reason_code"], finished["reason_class"]) == (code, reason_class)
    assert finished["advice"]
    assert run.trace.status == "completed"


def test_a_cancelled_step_is_cancelled_and_has_not_failed(play: Play):
    """Cancellation passes through; it is no fault of the step."""

    async def work() -> None:
        async def slow() -> None:
            async with tracekit.span("slow"):
                await asyncio.sleep(60)

        task = asyncio.create_task(slow())
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    span = play(work).span("slow")
    assert (span["status"], span["reason_code"]) == ("canceled", "CANCELLED")


def test_an_error_without_words_of_its_own_harms_nothing(play: Play):
    """An exception whose text cannot be made, or is without end."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def work() -> None:
        tracekit.span("mute").start().end(Mute())
        tracekit.span("long").start().end(ValueError("x" * 100_000))
        tracekit.span("odd").start().end(ValueError("\0 \ud800"))

    run = play(work)
    assert run.span("mute")["error"].endswith("Mute (unreadable: RuntimeError)")
    assert len(run.span("long")["error"]) == 2048
    assert [span["status"] for span in run.spans] == ["failed"] * 3


# Functions


def test_functions_of_every_kind_become_spans(play: Play):
    """Functions, methods, coroutine functions, generators, asynchronous generators: each call is a span."""

    @tracekit.span("function")
    def function(a: int, *, b: int = 1) -> int:
        """Doc."""
        return a + b

    @tracekit.span("coroutine")
    async def coroutine(a: int) -> int:
        await asyncio.sleep(0)
        return a

    @tracekit.span("generator")
    def generator(n: int) -> Iterator[int]:
        yield from range(n)

    @tracekit.span("async generator")
    async def async_generator(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    class Shop:
        @tracekit.span("method")
        def method(self, a: int) -> int:
            return a

        @tracekit.span("class method")
        @classmethod
        def made(cls, a: int) -> int:
            return a

        @tracekit.span("static method")
        @staticmethod
        def fixed(a: int) -> int:
            return a

    async def work() -> None:
        assert (function(1, b=2), function.__name__, function.__doc__) == (3, "function", "Doc.")
        assert await coroutine(5) == 5
        assert list(generator(3)) == [0, 1, 2]
        assert [number async for number in async_generator(3)] == [0, 1, 2]
        assert (Shop().method(1), Shop.made(2), Shop().fixed(3)) == (1, 2, 3)
        function(1)

    run = play(work)
    assert [span["step_name"] for span in run.spans] == [
        "function", "coroutine", "generator", "async generator", "method", "class method", "static method", "function",
    ]  # fmt: skip
    assert {span["status"] for span in run.spans} == {"success"}
    assert len({span["span_id"] for span in run.spans}) == 8


def test_a_decorated_function_that_is_not_recorded_is_as_it_was():
    """Outside of any trace nothing is noted, and results and errors are the function's own."""

    @tracekit.span("step")
    def half(n: int) -> float:
        return 1 / n

    assert half(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        half(0)


def test_what_is_sent_and_thrown_reaches_a_generator(play: Play):
    """`send`, `throw`, `close` and the value it returns pass through a decorated generator unchanged."""
    closed = []

    @tracekit.span("generator")
    def talking() -> Any:
        heard = []
        try:
            while len(heard) < 3:
                try:
                    heard.append((yield len(heard)))
                except KeyError as error:
                    heard.append(error)
        except GeneratorExit:
            closed.append(True)
            raise
        return heard

    def work() -> None:
        error, talk = KeyError("x"), talking()
        assert [next(talk), talk.send("a"), talk.throw(error)] == [0, 1, 2]
        with pytest.raises(StopIteration) as stopped:
            talk.send("b")
        assert stopped.value.value == ["a", error, "b"]
        open_one = talking()
        next(open_one)
        open_one.close()
        never_begun = talking()
        never_begun.close()

    run = play(work)
    assert closed == [True]
    assert [span["status"] for span in run.spans] == ["success", "canceled"]


def test_what_is_sent_and_thrown_reaches_an_asynchronous_generator(play: Play):
    """`asend`, `athrow` and `aclose` likewise."""
    closed = []

    @tracekit.span("generator")
    async def talking() -> Any:
        heard = 0
        try:
            while heard < 3:
                try:
                    heard += 1 if (yield heard) else 0
                except KeyError:
                    heard += 1
        except GeneratorExit:
            closed.append(True)
            raise

    async def work() -> None:
        talk = talking()
        assert [await anext(talk), await talk.asend("a"), await talk.athrow(KeyError()), await talk.asend(None)] == [
            0, 1, 2, 2,
        ]  # fmt: skip
        with pytest.raises(StopAsyncIteration):
            await talk.asend("b")
        open_one = talking()
        await anext(open_one)
        await open_one.aclose()
        failing = talking()
        await anext(failing)
        error = ValueError("not caught")
        with pytest.raises(ValueError, match="not caught") as caught:
            await failing.athrow(error)
        assert caught.value is error

    run = play(work)
    assert closed == [True]
    assert [span["status"] for span in run.spans] == ["success", "canceled", "failed"]


# Inputs, outputs, progress


def test_inputs_and_outputs_are_outlines_within_the_limit(sqlite_url: str):
    """They are cut where they are longer than a payload may be: in the event, which says so, and in the row."""
    long = {"text": "é" * 5_000, "more": "y" * 20_000}
    with recording(sqlite_url, {"task_trace_payload_max_length": 2000}) as recorder:
        with recorder.trace("run") as trace, tracekit.span("step", layer="L1") as step:
            step.set_input(long)
            step.set_output({"short": 1})
            step.set_output(long)
            step.heartbeat(**long)
        with recorder.trace("run"), pytest.raises(ValueError, match="zzz"), tracekit.span("failing"):
            raise ValueError("z" * 10_000)
        run = recorded(recorder, trace.trace_id)
    span = run.span("step")
    assert (span["step_name"], span["layer"], span["status"]) == ("step", "L1", "success")
    for column in ("input_summary", "output_summary", "error"):
        assert len((span[column] or "").encode()) <= 2000
    assert "é" in span["input_summary"]
    heartbeats = [event for event in run.events if event.event_type == "span.heartbeat"]
    assert [("cut" in (event.payload or {})) for event in heartbeats] == [True, False, True, True]
    whole = json.dumps({"input": long}, ensure_ascii=False, separators=(",", ":")).encode()
    assert heartbeats[0].payload["cut"] == {"length": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    assert run.trace.payloads_cut == 3
    assert all(len(json.dumps(event.payload, ensure_ascii=False).encode()) <= 2000 for event in run.events)


def test_what_a_step_says_of_its_progress_may_be_anything(play: Play):
    """Names that mean something in a span's own events, and values that JSON does not have, are just progress."""
    said = {"status": ["failed"], "input": 1, "error": "no", "by": "recorder", "parent_span_id": "x", "step_name": "y"}

    def work() -> None:
        with tracekit.span("step") as step:
            step.heartbeat(**said)
            step.heartbeat(value=object(), number=float("nan"), text="\0\ud800")
            step.heartbeat()
            step.set_input(b"\xff")

    run = play(work)
    assert run.payloads("span.heartbeat")[0] == {"progress": said}
    span = run.span("step")
    assert (span["status"], span["error"], span["input_summary"]) == ("success", None, '"<1 bytes>"')


def test_names_may_be_anything(play: Play):
    """Of any type and any length."""

    def work() -> None:
        with tracekit.span("x" * 1000, layer="l" * 1000, kind="\0\ud800"):
            pass
        with tracekit.span(7, layer=8):  # type: ignore[arg-type]
            pass
        with tracekit.span(""):
            pass

    run = play(work)
    assert [span["step_name"] for span in run.spans] == ["x" * 256, "7", "(never started)"]
    assert [span["layer"] for span in run.spans] == ["l" * 64, "8", None]


# Artifacts


def test_an_artifact_is_a_pointer_with_size_type_and_hash(play: Play, tmp_path: Path):
    """Of a file that can be read; its content is not recorded."""
    file = tmp_path / "report für alle.json"
    file.write_bytes(b'{"secret": 1}' * 100_000)

    def work() -> None:
        with tracekit.span("write") as step:
            step.add_artifact("report", file)
            step.add_artifact("same", f"file://{str(file).replace(' ', '%20')}")

    run = play(work)
    facts = {
        "uri": str(file),
        "media_type": "application/json",
        "size": 1_300_000,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    first, second = run.payloads("artifact.added")
    assert first == {"name": "report", **facts}
    assert (second["size"], second["sha256"]) == (facts["size"], facts["sha256"])
    assert json.loads(run.span("write")["artifacts"]) == [first, second]
    assert {event.span_id for event in run.events if event.event_type == "artifact.added"} == {
        run.span("write")["span_id"]
    }


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.txt")
    return str(folder / "pipe.txt")


def _loop(folder: Path) -> str:
    (folder / "loop").symlink_to(folder / "loop")
    return str(folder / "loop")


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda folder: "https://example.org/page.html?x=1", {"media_type": "text/html"}),
        (lambda folder: "s3://bucket/data.tar.gz", {"media_type": "application/gzip"}),
        (lambda folder: str(folder / "missing.txt"), {"media_type": "text/plain"}),
        (str, {}),
        (_pipe, {"media_type": "text/plain"}),
        (_loop, {}),
        (lambda folder: "/dev/zero", {}),
        (lambda folder: "/proc/kmsg", None),
        (lambda folder: "https://[broken", {}),
        (lambda folder: "file://[broken/x.txt", {}),
        (lambda folder: "file://elsewhere/etc/hostname", {}),
        (lambda folder: "a\0b", {}),
        (lambda folder: os.fsencode(folder) + b"/\xff.txt", {"media_type": "text/plain"}),
        (lambda folder: "x" * 5000, {}),
        (lambda folder: "", {}),
        (lambda folder: 5, {}),
    ],
    ids=lambda value: None,
)
def test_what_cannot_be_read_is_still_pointed_at(
    play: Play, tmp_path: Path, make: Callable[[Path], Any], facts: dict[str, Any] | None
):
    """Elsewhere, missing, a folder, a pipe that nobody writes, a device: it is named, and nothing waits for it."""
    uri = make(tmp_path)

    def work() -> None:
        with tracekit.span("write") as step:
            step.add_artifact("it", uri)

    began = time.monotonic()
    (artifact,) = play(work).payloads("artifact.added")
    assert time.monotonic() - began < 5
    assert artifact.pop("name") == "it"
    assert len(artifact.pop("uri")) <= 2048
    assert facts is None or artifact == facts


def test_a_span_points_at_so_many_artifacts_and_no_more(play: Play):
    """The events tell of each; the row stays readable."""

    def work() -> None:
        with tracekit.span("write") as step:
            for number in range(300):
                step.add_artifact(f"a{number}", f"https://example.org/{number}")

    run = play(work)
    assert len(run.payloads("artifact.added")) == 300
    assert len(json.loads(run.span("write")["artifacts"])) == 200


# Heartbeats


def test_a_span_beats_by_itself_while_the_event_loop_is_blocked(sqlite_url: str):
    """The beat says that the process lives; `last_event_at` says when the work last moved, and a beat leaves it."""
    with recording(sqlite_url, span_heartbeat_s=1) as recorder:

        async def blocking() -> str | None:
            async with recorder.trace("run") as trace, tracekit.span("stuck"):
                trace.log("test.moved")
                time.sleep(2.5)  # the loop is blocked: no task runs
                stored = recorder.store.get(str(trace.trace_id))
                seen.extend([span_rows(recorder.database, str(trace.trace_id)), stored])
            return trace.trace_id

        seen: list[Any] = []
        run = recorded(recorder, asyncio.run(blocking()))
    (row,), stored = seen
    beats = [event for event in run.events if event.event_type == "span.heartbeat"]
    assert [event.payload for event in beats] == [{"by": "recorder"}] * len(beats)
    assert len(beats) == 2
    assert row["heartbeat_at"] - row["started_at"] > 1_500_000
    assert (row["status"], row["ended_at"]) == ("running", None)
    moved = next(event for event in run.events if event.event_type == "test.moved")
    assert stored.last_event_at == moved.timestamp


def test_a_beat_is_written_although_nothing_else_happens(sqlite_url: str):
    """Of a silent run the heartbeat is seen by another process as it comes, event and row alike."""
    with recording(sqlite_url, span_heartbeat_s=1) as recorder, recorder.trace("run") as trace, tracekit.span("quiet"):
        time.sleep(1.5)
        written(recorder)
        trace_id = str(trace.trace_id)
        types = [event.event_type for event in recorder.store.iterate_events(trace_id)]
        (row,) = span_rows(recorder.database, trace_id)
        beats = list(recorder.store.iterate_events(trace_id, types=["span.heartbeat"]))
        assert types == ["process.started", "span.started", "span.heartbeat"]
        assert row["heartbeat_at"] == beats[-1].timestamp
        assert recorder.store.get(trace_id).last_seq == 3


# The end of the trace


def test_what_is_open_when_the_trace_ends_has_failed(play: Play):
    """Nobody will end it any more. It ended with the trace, and says why."""

    def work() -> None:
        tracekit.span("forgotten").start().set_status("blocked", reason="waits")
        tracekit.span("also forgotten").start()

    run = play(work)
    for span in run.spans:
        assert (span["status"], span["reason_code"], span["ended_at"]) == (
            "failed", "UNEXPECTED_ERROR", run.trace.ended_at,
        )  # fmt: skip
        assert span["error"] == "its trace ended while it was open"


def test_a_span_may_outlive_the_answer_in_a_background_task(sqlite_recorder: Recorder):
    """The end of the trace is known before the app returns; a step that ends meanwhile ends well."""
    with sqlite_recorder.trace("run") as trace:
        late = tracekit.span("late").start()
        trace.finalize(tracekit.types.EndReason.COMPLETED)
        written(sqlite_recorder)
        assert sqlite_recorder.store.get(str(trace.trace_id)).status == "completed"
        assert span_rows(sqlite_recorder.database, str(trace.trace_id))[0]["ended_at"] is None
        late.end()
    run = recorded(sqlite_recorder, trace.trace_id)
    assert run.span("late")["status"] == "success"
    assert [event.event_type for event in run.events[-2:]] == ["trace.finished", "span.finished"]


def test_what_is_said_after_the_trace_was_closed_is_forgotten(sqlite_recorder: Recorder):
    """It is no event, and nothing of it stays in memory."""
    with sqlite_recorder.trace("run") as trace:
        step = tracekit.span("step").start()
    recorded(sqlite_recorder, trace.trace_id)
    step.heartbeat(done=1)
    step.set_input("x" * 10_000)
    step.add_artifact("a", "b")
    step.set_status("blocked")
    step.end()
    with tracekit.span("no trace"):
        pass
    assert [span["step_name"] for span in recorded(sqlite_recorder, trace.trace_id).spans] == ["step"]
    assert sqlite_recorder.budget.waiting == 0


def test_a_full_trace_follows_the_spans_it_knows_and_takes_no_new_ones(sqlite_url: str):
    """There are never more rows than events, and what ends after the trace is full still ends well."""
    with recording(sqlite_url, {"task_trace_max_events": 200}) as recorder:
        with recorder.trace("run") as trace, tracekit.span("first"):
            for number in range(1000):
                with tracekit.span(f"step {number}"):
                    pass
        run = recorded(recorder, trace.trace_id)
    assert len(run.events) == run.trace.events_stored <= 200
    assert 40 <= len(run.spans) <= 60
    assert {span["status"] for span in run.spans} == {"success"}
    assert run.span("first")["ended_at"] > run.spans[-1]["started_at"]
    assert run.trace.events_dropped == 2 + 2000 + 2 - len(run.events) + 1


class _Censor:
    """A plugin that strikes one word out."""

    @hookimpl
    def tracekit_before_store(self, trace: Any) -> _Censor:
        return self

    def value(self, value: Any) -> Any:
        return json.loads(json.dumps(value).replace("hunter2", "***"))

    def stream(self, items: Any, *, final: bool) -> int:
        return len(items)


def test_spans_are_masked_like_everything_else(sqlite_url: str):
    """What a redactor strikes out of names, inputs, outputs, errors and artifacts is in neither event nor row."""
    secret = "hunter2"
    with recording(sqlite_url, plugins=[_Censor()]) as recorder:
        with recorder.trace(f"run {secret}", session_id=secret) as trace, tracekit.span(secret) as step:
            step.set_input({"password": secret})
            step.set_status("blocked", reason=secret)
            step.add_artifact(secret, f"https://example.org/{secret}")
            trace.annotate(message_id=secret)
            tracekit.span("failing").start().end(ValueError(secret))
        run = recorded(recorder, trace.trace_id)
    assert secret not in f"{run.trace} {run.events} {run.spans}"
    assert [span["step_name"] for span in run.spans] == ["***", "failing"]
    assert (run.trace.name, run.trace.session_id, run.trace.message_id) == ("run ***", "***", "***")
    assert run.trace.payloads_redacted > 5


def test_a_hundred_thousand_nested_or_sequential_spans_leave_nothing_behind(play: Play):
    """Very deep and very many: each costs the same."""

    def work() -> None:
        steps = [tracekit.span("deep").start() for _ in range(10_000)]
        for step in reversed(steps):
            step.end()
            tracekit.current_trace().log("test.between")

    began = time.monotonic()
    run = play(work)
    assert time.monotonic() - began < 30
    by_id = {span["span_id"]: span for span in run.spans}
    assert sum(span["parent_span_id"] in by_id for span in run.spans) == len(run.spans) - 1
