"""Which span is inside which: by the context in which it begins, across tasks, threads and generators."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import anyio
from recorded_runs import Play, recorded

import tracekit
from tracekit import Recorder, current_trace
from tracekit.span_context import open_span
from tracekit.spans import Span


def leaf(name: str) -> None:
    """A step that does nothing."""
    with tracekit.span(name):
        pass


async def async_leaf(name: str) -> None:
    """The same, with a turn of the event loop in it."""
    async with tracekit.span(name):
        await asyncio.sleep(0)


def test_spans_nest_by_context_in_tasks_task_groups_and_threads(play: Play):
    """Whatever is started inside a span is inside it, wherever it runs."""

    async def work() -> None:
        with tracekit.span("root"):
            await async_leaf("awaited")
            await asyncio.create_task(async_leaf("task"))
            await asyncio.gather(async_leaf("gathered 1"), async_leaf("gathered 2"))
            async with asyncio.TaskGroup() as group:
                group.create_task(async_leaf("grouped"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(async_leaf, "started soon")
            await asyncio.to_thread(leaf, "thread")
            await anyio.to_thread.run_sync(leaf, "anyio thread")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(contextvars.copy_context().run, leaf, "copied context").result()
        leaf("after")

    tree = play(work).tree()
    assert tree.pop("root") is None
    assert tree.pop("after") is None
    assert set(tree.values()) == {"root"}
    assert len(tree) == 9


def test_a_thread_without_the_context_has_no_trace_and_no_span(play: Play):
    """A pool that copies no context runs outside; a span there is nothing, and harms nothing."""

    def work() -> None:
        with tracekit.span("root"), ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: tracekit.span("lost").start().span_id).result() == ""

    assert play(work).tree() == {"root": None}


def test_concurrent_tasks_do_not_get_into_one_another(play: Play):
    """Each task has its own innermost span."""

    async def step(number: int) -> None:
        async with tracekit.span(f"outer {number}"):
            await asyncio.sleep(0.001 * (number % 3))
            await async_leaf(f"inner {number}")

    async def work() -> None:
        await asyncio.gather(*map(step, range(20)))

    tree = play(work).tree()
    assert tree == {f"outer {n}": None for n in range(20)} | {f"inner {n}": f"outer {n}" for n in range(20)}


def test_a_task_that_outlives_the_span_it_began_in_goes_on_in_the_one_around(play: Play):
    """A span that has ended takes nothing in any more."""

    async def work() -> None:
        ended = asyncio.Event()

        async def late() -> None:
            leaf("early")
            await ended.wait()
            leaf("late")
            current_trace().log("test.late")

        with tracekit.span("outer"):
            with tracekit.span("inner"):
                task = asyncio.create_task(late())
                await asyncio.sleep(0)
            ended.set()
            await task

    run = play(work)
    assert run.tree() == {"outer": None, "inner": "outer", "early": "inner", "late": "outer"}
    (logged,) = [event for event in run.events if event.event_type == "test.late"]
    assert logged.span_id == run.span("outer")["span_id"]


def test_events_belong_to_the_span_in_which_they_are_logged(play: Play):
    """Also those of tool calls and milestones."""

    def work() -> None:
        trace = current_trace()
        trace.log("test.outside")
        with tracekit.span("step"):
            trace.log("test.inside")
            trace.checkpoint_committed("saved")
            with tracekit.tool_call("search"):
                pass
        trace.log("test.outside")

    run = play(work)
    span_id = run.span("step")["span_id"]
    inside = [event.event_type for event in run.events if event.span_id == span_id]
    assert inside == [
        "span.started", "test.inside", "checkpoint.committed", "tool.started", "tool.finished", "span.finished",
    ]  # fmt: skip


# Generators


def test_the_consumer_of_a_decorated_generator_is_not_inside_it(play: Play):
    """Its body is in its span, from one item to the next; what the caller does in between is not."""

    @tracekit.span("sync")
    def numbers() -> Iterator[int]:
        for number in range(2):
            with tracekit.span(f"in sync {number}"):
                yield number
        leaf("end of sync")

    @tracekit.span("async")
    async def words() -> AsyncIterator[int]:
        for number in range(2):
            await async_leaf(f"in async {number}")
            yield number

    async def work() -> None:
        with tracekit.span("caller"):
            for number in numbers():
                leaf(f"of sync {number}")
            async for number in words():
                await async_leaf(f"of async {number}")

    assert play(work).tree() == {
        "caller": None,
        "sync": "caller",
        "in sync 0": "sync",
        "of sync 0": "caller",
        "in sync 1": "sync",
        "of sync 1": "caller",
        "end of sync": "sync",
        "async": "caller",
        "in async 0": "async",
        "of async 0": "caller",
        "in async 1": "async",
        "of async 1": "caller",
    }


def test_a_block_in_a_generator_that_is_closed_elsewhere_ends(play: Play):
    """In another task, in another thread, by the garbage collector: nothing has to be reset, nothing raises."""

    async def plain() -> AsyncIterator[int]:
        async with tracekit.span("closed in a task"):
            yield 1

    @tracekit.span("closed in a thread")
    def decorated() -> Iterator[int]:
        yield 1

    def collected() -> Iterator[int]:
        with tracekit.span("collected"):
            yield 1

    async def work() -> None:
        generator = plain()
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]
        other = decorated()
        next(other)
        thread = threading.Thread(target=other.close)  # type: ignore[attr-defined]
        thread.start()
        thread.join()
        next(collected())
        gc.collect()
        leaf("after")

    run = play(work)
    assert [span["status"] for span in run.spans] == ["canceled", "canceled", "canceled", "success"]
    assert run.tree()["after"] is None


def test_context_managers_may_be_decorated(play: Play):
    """`@contextmanager` over `@span`: the block is inside, and an error in it passes through the generator."""

    @contextmanager
    @tracekit.span("sync")
    def block() -> Iterator[None]:
        yield

    @asynccontextmanager
    @tracekit.span("async")
    async def async_block() -> AsyncIterator[None]:
        yield

    async def work() -> None:
        with block():
            pass
        try:
            async with async_block():
                raise LookupError("inside")
        except LookupError:
            pass

    run = play(work)
    assert [span["status"] for span in run.spans] == ["success", "failed"]


# Several traces


def test_a_trace_inside_a_span_gives_the_span_back(sqlite_recorder: Recorder):
    """Spans of the inner trace are its own; after it the outer span is the innermost again."""
    with sqlite_recorder.trace("outer") as outer, tracekit.span("outer step"):
        with sqlite_recorder.trace("inner") as inner, tracekit.span("inner step"):
            leaf("inner leaf")
        leaf("outer leaf")
    assert recorded(sqlite_recorder, inner.trace_id).tree() == {"inner step": None, "inner leaf": "inner step"}
    run = recorded(sqlite_recorder, outer.trace_id)
    assert run.tree() == {"outer step": None, "outer leaf": "outer step"}
    lineage = sqlite_recorder.store.get(str(inner.trace_id))
    assert (lineage.parent_trace_id, lineage.parent_span_id, lineage.root_trace_id) == (
        outer.trace_id, run.span("outer step")["span_id"], outer.trace_id,
    )  # fmt: skip


def spans_alive() -> int:
    """How many spans there are in memory."""
    return sum(type(found) is Span for found in gc.get_objects())


def test_spans_that_overlap_hold_on_to_nothing(sqlite_recorder: Recorder):
    """A long-lived worker that starts the next step before it ends the last does not collect them."""
    with sqlite_recorder.trace("run") as trace:
        gc.collect()
        before = spans_alive()
        step = tracekit.span("step").start()
        for _ in range(500):
            following = tracekit.span("step").start()
            step.end()
            step = following
        step.end()
        assert open_span(trace.trace_id) is None
        gc.collect()
        assert spans_alive() <= before + 3
