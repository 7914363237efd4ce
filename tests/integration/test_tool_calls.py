"""What an app says of its tool calls, recorded through the middleware and read from the database."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import pathlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import Wire, body, request, run, start
from recorders import events, only_trace, recording
from stream_corpus import sse_body

import tracekit
from tracekit import TraceMiddleware, hookimpl
from tracekit.conversation import RecordedCalls
from tracekit.store import EventRecord, TraceRecord
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall

Work = Callable[[Callable[..., Awaitable[None]]], Awaitable[None]]


class Listener:
    """A plugin that notes what it is told of calls, and on which thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ToolCall]] = []
        self.threads: set[str] = set()

    def _note(self, what: str, call: ToolCall) -> None:
        self.told.append((what, dataclasses.replace(call)))
        self.threads.add(threading.current_thread().name)

    @hookimpl
    def tracekit_tool_call_started(self, trace: TraceInfo, call: ToolCall) -> None:
        self._note("started", call)

    @hookimpl
    def tracekit_tool_call_finished(self, trace: TraceInfo, call: ToolCall) -> dict[str, object]:
        self._note("finished", call)
        return {"kind": "note", "of": call.name}

    @hookimpl
    def tracekit_tool_call_failed(self, trace: TraceInfo, call: ToolCall) -> None:
        self._note("failed", call)


@dataclasses.dataclass
class Recorded:
    """A chat in which an app did some work, as it was stored."""

    trace: TraceRecord
    events: list[EventRecord]
    listener: Listener
    raised: BaseException | None

    def payloads(self, *event_types: str) -> list[dict[str, Any]]:
        return [event.payload or {} for event in self.events if event.event_type in event_types]

    @property
    def types(self) -> list[str]:
        return [event.event_type for event in self.events if event.event_type.startswith(("tool.", "artifact."))]


@pytest.fixture
def record(tmp_path: Path) -> Callable[[Work], Recorded]:
    """Runs a piece of work inside a recorded chat; `stream(payloads...)` sends frames to the client."""

    def recorded(work: Work) -> Recorded:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def stream(*payloads: Any) -> None:
                await send(body(sse_body(*payloads)))

            await receive()
            await send(start())
            await work(stream)
            await send(body(more_body=False))

        listener = Listener()
        with recording(f"sqlite:///{tmp_path / 'tools.db'}", plugins=[listener]) as recorder:
            outcome = run(TraceMiddleware(app, recorder), Wire([request(b"{}")]))
            trace = only_trace(recorder)
            stored = events(recorder, trace.trace_id)
            assert [facts for facts in recorder.plugins.loaded if facts.faults] == []
        return Recorded(trace, stored, listener, outcome.raised)

    return recorded


# Blocks


def test_a_block_is_recorded_as_a_call(record: Callable[[Work], Recorded]) -> None:
    """Id, name, arguments, result and duration, and the hooks fire on the writer thread."""

    async def work(stream: Any) -> None:
        async with tracekit.tool_call("look_up", {"q": "x"}, id="call-1") as call:
            call.result = {"found": 3}

    chat = record(work)
    assert chat.types == ["tool.started", "tool.finished", "artifact.added"]
    (started,), (finished,) = chat.payloads("tool.started"), chat.payloads("tool.finished")
    assert started == {"id": "call-1", "name": "look_up", "arguments": {"q": "x"}, "said_by": "app"}
    assert finished.pop("duration_us") >= 0
    assert finished == {**started, "result": {"found": 3}}
    assert chat.payloads("artifact.added") == [{"tool_call_id": "call-1", "kind": "note", "of": "look_up"}]
    assert [what for what, _ in chat.listener.told] == ["started", "finished"]
    ended = chat.listener.told[1][1]
    assert (ended.id, ended.arguments, ended.result, ended.has_result) == ("call-1", {"q": "x"}, {"found": 3}, True)
    assert chat.listener.threads == {"tracekit-writer"}
    assert chat.trace.tool_calls == 1


def test_the_sync_form_does_the_same(record: Callable[[Work], Recorded]) -> None:
    """In threads and in plain functions."""

    def in_a_thread() -> None:
        with tracekit.tool_call("look_up", '{"q": "x"}') as call:
            call.add_artifact(kind="file", path=pathlib.Path("notes.txt"))
            call.result = "fine"

    chat = record(lambda stream: asyncio.to_thread(in_a_thread))
    assert chat.types == ["tool.started", "artifact.added", "tool.finished", "artifact.added"]
    (started,) = chat.payloads("tool.started")
    assert started["arguments"] == {"q": "x"}
    artifact = chat.payloads("artifact.added")[0]
    assert artifact == {"kind": "file", "path": "notes.txt", "tool_call_id": started["id"], "said_by": "app"}


def test_calls_without_an_id_are_kept_apart(record: Callable[[Work], Recorded]) -> None:
    """Parallel calls of one tool: each start has its own end."""

    async def one(number: int) -> None:
        async with tracekit.tool_call("work", {"n": number}) as call:
            await asyncio.sleep(0.001 * (5 - number))
            call.result = number

    async def work(stream: Any) -> None:
        await asyncio.gather(*map(one, range(5)))

    calls = RecordedCalls.of(record(work).events).calls
    assert [(json.loads(call.arguments or "")["n"], call.result) for call in calls] == [(n, str(n)) for n in range(5)]
    assert all(call.ended for call in calls)


def test_what_a_block_raises_goes_on_and_is_recorded(record: Callable[[Work], Recorded]) -> None:
    """The very exception reaches the app; the call has failed with its words."""
    error = LookupError("no such city")

    async def work(stream: Any) -> None:
        with pytest.raises(LookupError) as caught:
            async with tracekit.tool_call("weather"):
                raise error
        assert caught.value is error

    chat = record(work)
    assert chat.raised is None
    (failed,) = chat.payloads("tool.failed")
    assert (failed["error"], failed["name"]) == ("LookupError: no such city", "weather")
    assert [(what, call.is_error) for what, call in chat.listener.told] == [("started", False), ("failed", True)]


def test_a_cancelled_call_has_failed(record: Callable[[Work], Recorded]) -> None:
    """Cancellation passes through, and the call does not stay open."""

    async def work(stream: Any) -> None:
        async def slow() -> None:
            async with tracekit.tool_call("slow"):
                await asyncio.sleep(60)

        task = asyncio.create_task(slow())
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert [failed["error"] for failed in record(work).payloads("tool.failed")] == ["CancelledError"]


def test_a_tool_may_report_its_failure_without_raising(record: Callable[[Work], Recorded]) -> None:
    """`call.error` makes the call a failed one."""

    async def work(stream: Any) -> None:
        with tracekit.tool_call("weather") as call:
            call.error = {"code": 404}

    assert [failed["error"] for failed in record(work).payloads("tool.failed")] == [{"code": 404}]


# Functions


def test_a_function_is_recorded_with_its_arguments_by_name(record: Callable[[Work], Recorded]) -> None:
    """Positions, keywords and further keywords all stand under parameter names; the result is the function's own."""

    @tracekit.tool
    async def book(city: str, /, nights: int = 1, *extras: str, breakfast: bool = False, **more: Any) -> list[str]:
        return [city, *extras]

    async def work(stream: Any) -> None:
        assert await book("Oslo", 2, "sauna", breakfast=True, floor=3) == ["Oslo", "sauna"]

    (finished,) = record(work).payloads("tool.finished")
    assert finished["name"] == "book"
    assert finished["arguments"] == {
        "city": "Oslo", "nights": 2, "extras": ["sauna"], "breakfast": True, "floor": 3,
    }  # fmt: skip
    assert finished["result"] == ["Oslo", "sauna"]


def test_methods_are_recorded_without_their_object(record: Callable[[Work], Recorded]) -> None:
    """Methods, class methods and static methods; a name may be given."""

    class Shop:
        @tracekit.tool(name="shop.price")
        def price(self, item: str) -> int:
            return 7

        @tracekit.tool
        @classmethod
        def made(cls, name: str) -> str:
            return name

        @tracekit.tool
        @staticmethod
        def fixed(number: int) -> int:
            return number

    async def work(stream: Any) -> None:
        assert (Shop().price("tea"), Shop.made("x"), Shop().fixed(2)) == (7, "x", 2)

    told = record(work).payloads("tool.finished")
    assert [(call["name"], call["arguments"]) for call in told] == [
        ("shop.price", {"item": "tea"}), ("made", {"name": "x"}), ("fixed", {"number": 2}),
    ]  # fmt: skip


def test_wrong_arguments_raise_what_they_always_raised(record: Callable[[Work], Recorded]) -> None:
    """The function's own TypeError, and the call is recorded as it was made."""

    @tracekit.tool
    def look_up(city: str) -> None: ...

    async def work(stream: Any) -> None:
        with pytest.raises(TypeError, match="unexpected keyword"):
            look_up(town="Oslo")  # type: ignore[call-arg]

    (failed,) = record(work).payloads("tool.failed")
    assert failed["arguments"] == {"args": [], "town": "Oslo"}


def test_generators_are_recorded_with_what_they_yield(record: Callable[[Work], Recorded]) -> None:
    """Sync and async, to their end or not; what they return, are sent and are thrown goes through."""

    @tracekit.tool
    def pages(count: int) -> Any:
        total = 0
        for number in range(count):
            try:
                total += (yield number) or 0
            except KeyError:
                yield "caught"
        return total

    @tracekit.tool
    async def chunks(count: int) -> AsyncIterator[int]:
        for number in range(count):
            try:
                yield number
            except KeyError:
                yield -1

    async def work(stream: Any) -> None:
        generator = pages(3)
        assert [next(generator), generator.send(5), generator.throw(KeyError())] == [0, 1, "caught"]
        with pytest.raises(StopIteration) as stopped:
            next(generator), next(generator)
        assert stopped.value.value == 5
        assert [number async for number in chunks(30)] == list(range(30))
        open_one = chunks(9)
        assert (await anext(open_one), await open_one.athrow(KeyError())) == (0, -1)  # type: ignore[attr-defined]
        await open_one.aclose()  # type: ignore[attr-defined]

    results = [call["result"] for call in record(work).payloads("tool.finished")]
    assert [(result["count"], result["complete"]) for result in results] == [(4, True), (30, True), (2, False)]
    assert [len(result["items"]) for result in results] == [4, 20, 2]


def test_a_generator_that_raises_has_failed(record: Callable[[Work], Recorded]) -> None:
    """After its items; the exception is the very one."""
    error = ValueError("broken")

    @tracekit.tool
    def pages() -> Iterator[int]:
        yield 1
        raise error

    @tracekit.tool
    async def chunks() -> AsyncIterator[int]:
        yield 1
        raise error

    async def work(stream: Any) -> None:
        with pytest.raises(ValueError, match="broken") as caught:
            list(pages())
        assert caught.value is error
        with pytest.raises(ValueError, match="broken") as caught:
            [number async for number in chunks()]
        assert caught.value is error

    assert [call["error"] for call in record(work).payloads("tool.failed")] == ["ValueError: broken"] * 2


def test_a_decorated_function_is_still_what_it_was() -> None:
    """Frameworks that look at a function see its kind, its name and its parameters."""

    def plain(a: int) -> int:
        """Doc."""
        return a

    async def coroutine(a: int) -> int:
        return a

    def generator(a: int) -> Iterator[int]:
        yield a

    async def async_generator(a: int) -> AsyncIterator[int]:
        yield a

    for function in (plain, coroutine, generator, async_generator):
        wrapped = tracekit.tool(function)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert kind(wrapped) == kind(function)
        assert inspect.signature(wrapped) == inspect.signature(function)
        assert (wrapped.__name__, wrapped.__doc__) == (function.__name__, function.__doc__)


# Nothing is recorded


def test_where_nothing_is_recorded_nothing_is_done() -> None:
    """No trace, no outline, no id: arguments and results are not even looked at."""

    class Untouchable(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("looked at")

        keys = items = values = __iter__

    @tracekit.tool
    def echo(value: Any) -> Any:
        return value

    @tracekit.tool
    async def async_echo(value: Any) -> Any:
        return value

    @tracekit.tool
    def items(value: Any) -> Iterator[Any]:
        yield value

    @tracekit.tool
    async def async_items(value: Any) -> AsyncIterator[Any]:
        yield value

    async def main() -> None:
        value = Untouchable()
        async with tracekit.tool_call("x", value) as call:
            call.result = value
            call.add_artifact(kind="none")
        assert call.id is None
        assert echo(value) is value
        assert await async_echo(value) is value
        assert [item is value for item in items(value)] == [True]
        assert [item is value async for item in async_items(value)] == [True]

    asyncio.run(main())


# Joined with the stream

CALL = {"type": "tool-input-available", "toolCallId": "c-1", "toolName": "look_up", "input": {"q": "x"}}
RESULT = {"type": "tool-output-available", "toolCallId": "c-1", "output": "on the wire"}


async def said() -> None:
    async with tracekit.tool_call("look_up", {"q": "x"}, id="c-1") as call:
        call.result = "by the app"


def one_call(chat: Recorded) -> None:
    """The stream and the app told of one call: it is one for readers and for plugins, and the app's word holds."""
    (call,) = RecordedCalls.of(chat.events).calls
    assert (call.id, call.name, call.result, call.ended, call.error) == ("c-1", "look_up", "by the app", True, None)
    assert call.duration_us is not None
    assert [what for what, _ in chat.listener.told] == ["started", "finished"]
    assert chat.listener.told[1][1].result == "by the app"
    assert chat.trace.tool_calls == 1
    assert len(chat.payloads("tool.finished")) == 1


def test_a_call_that_the_stream_showed_first_is_joined(record: Callable[[Work], Recorded]) -> None:
    """The model's call goes by, the app does the work, the result goes by."""

    async def work(stream: Any) -> None:
        await stream({"type": "start"}, CALL)
        await said()
        await stream(RESULT, {"type": "finish"}, "[DONE]")

    one_call(record(work))


def test_a_call_that_the_app_told_first_is_joined(record: Callable[[Work], Recorded]) -> None:
    """All of it was done before the stream showed any of it."""

    async def work(stream: Any) -> None:
        await said()
        await stream({"type": "start"}, CALL, RESULT, {"type": "finish"}, "[DONE]")

    one_call(record(work))


def test_a_call_whose_result_goes_by_while_it_lasts_is_joined(record: Callable[[Work], Recorded]) -> None:
    """The result is streamed inside the block."""

    async def work(stream: Any) -> None:
        async with tracekit.tool_call("look_up", {"q": "x"}, id="c-1") as call:
            await stream({"type": "start"}, CALL, RESULT)
            call.result = "by the app"
        await stream({"type": "finish"}, "[DONE]")

    one_call(record(work))


def test_calls_with_other_ids_stay_apart(record: Callable[[Work], Recorded]) -> None:
    """What the app does besides is a call of its own; both are counted."""

    async def work(stream: Any) -> None:
        with tracekit.tool_call("cache", {"q": "x"}) as call:
            call.result = None
        await stream({"type": "start"}, CALL, RESULT, {"type": "finish"}, "[DONE]")

    chat = record(work)
    assert [(call.name, call.result) for call in RecordedCalls.of(chat.events).calls] == [
        ("cache", None), ("look_up", "on the wire"),
    ]  # fmt: skip
    assert chat.trace.tool_calls == 2


def test_what_an_app_logs_under_the_names_of_tool_events_harms_nothing(record: Callable[[Work], Recorded]) -> None:
    """An app may log what it likes; only a call with an id and a name is one."""

    async def work(stream: Any) -> None:
        trace = tracekit.current_trace()
        for facts in ({}, {"said_by": "app"}, {"said_by": "app", "id": 7, "name": []}, {"id": "x", "name": "y"}):
            for event_type in ("tool.started", "tool.finished", "tool.failed"):
                trace.log(event_type, **facts)

    chat = record(work)
    assert len(chat.types) == 12
    assert chat.listener.told == []
