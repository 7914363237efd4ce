"""What an app says of its tool calls: `tool_call` around the work, or `@tool` on the function that does it.

Where nothing is recorded neither costs more than a look at a context variable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import Parameter, Signature, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from types import TracebackType
from typing import Any, TypeVar, overload

from tracekit import json_text
from tracekit.context import current_trace
from tracekit.ids import new_id
from tracekit.outline import outline
from tracekit.said_calls import BY_APP
from tracekit.trace import TaskTraceRecorder
from tracekit.types import EventType
from tracekit.watched_generators import WatchedGenerator, Yielded

__all__ = ["SaidCall", "tool", "tool_call"]

_F = TypeVar("_F", bound=Callable[..., Any])

_Arguments = Callable[[], Any]
_Begin = Callable[[tuple[Any, ...], dict[str, Any]], "SaidCall"]


class SaidCall:
    """One tool call, as the app tells of it. Set `result` before the block ends, or `error` if the tool reports a
    failure without raising. Values of any kind are recorded as an outline of bounded size."""

    __slots__ = ("_arguments", "_began_ns", "_may_stop", "_outline", "_trace", "error", "id", "name", "result")

    def __init__(self, name: str, arguments: _Arguments, id: str | None, *, may_stop: bool = False) -> None:
        """`may_stop`: it is a generator, and one that is closed early has not failed."""
        self.name = name
        self.id = id
        """The id that joins it to the stream's word on the same call; made up where none is given."""
        self.result: Any = None
        self.error: Any = None
        self._arguments = arguments
        self._may_stop = may_stop
        self._outline: Any = None
        self._trace: TaskTraceRecorder | None = None
        self._began_ns = 0

    def add_artifact(self, **facts: Any) -> None:
        """Record something that the call made or found: a file, links, a number of rows."""
        if self._trace is not None:
            artifact = {name: outline(fact) for name, fact in facts.items()}
            self._trace.log(EventType.ARTIFACT_ADDED, **(artifact | {"tool_call_id": self.id, "said_by": BY_APP}))

    def __enter__(self) -> SaidCall:
        trace = current_trace()
        if isinstance(trace, TaskTraceRecorder):
            self._trace = trace
            self.id = str(self.id or f"app-{new_id()}")
            self._outline = outline(self._arguments())
            self._began_ns = time.monotonic_ns()
            self._say(EventType.TOOL_STARTED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._trace is None:
            return
        spent_us = (time.monotonic_ns() - self._began_ns) // 1000
        failure = self.error if error is None or (self._may_stop and kind is GeneratorExit) else error
        if failure is not None:
            self._say(EventType.TOOL_FAILED, error=_failure_text(failure), duration_us=spent_us)
        else:
            self._say(EventType.TOOL_FINISHED, result=outline(self.result), duration_us=spent_us)

    async def __aenter__(self) -> SaidCall:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _say(self, event_type: EventType, **facts: Any) -> None:
        assert self._trace is not None
        self._trace.log(event_type, id=self.id, name=self.name, arguments=self._outline, said_by=BY_APP, **facts)


def _failure_text(failure: Any) -> Any:
    if not isinstance(failure, BaseException):
        return outline(failure)
    try:
        return outline(f"{type(failure).__qualname__}: {failure}".removesuffix(": "))
    except Exception:  # noqa: BLE001 - an exception's own __str__ may raise
        return type(failure).__qualname__


def tool_call(name: str, arguments: Mapping[str, Any] | str | None = None, id: str | None = None) -> SaidCall:
    """Tell of a tool call: `with` or `async with` around the work.

    `arguments` may be the JSON text that a model wrote. What the block raises is recorded and goes on unchanged. Give
    the provider's `id` of the call where there is one: it joins what is told here with what the stream shows.
    """
    return SaidCall(str(name), lambda: _given(arguments), id)


def _given(arguments: Mapping[str, Any] | str | None) -> Any:
    try:
        return json_text.decode(arguments) if isinstance(arguments, str) else dict(arguments or {})
    except Exception:  # noqa: BLE001 - recorded as it is: a mapping of the app's own may fail in any way
        return arguments


@overload
def tool(function: _F, /) -> _F: ...


@overload
def tool(*, name: str | None = None) -> Callable[[_F], _F]: ...


def tool(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Record each call of a function as a tool call: its arguments by parameter, its result, or what it raised.

    For functions and methods, coroutine functions, generators and asynchronous generators. The function behaves as
    before; `name` is the tool's name where the function's own will not do.
    """
    if function is None:
        return partial(_recorded, name=name)
    return _recorded(function, name=name)


def _recorded(function: Any, *, name: str | None) -> Any:
    if isinstance(function, staticmethod | classmethod):
        return type(function)(_recorded(function.__func__, name=name))
    called = name or str(getattr(function, "__name__", type(function).__name__))
    recorded_as = next((wrapper for recognises, wrapper in _KINDS if recognises(function)), _function)
    may_stop = recorded_as in (_generator_function, _async_generator_function)
    parameters = _signature(function)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> SaidCall:
        return SaidCall(called, lambda: _bound(parameters, args, kwargs), None, may_stop=may_stop)

    return wraps(function)(recorded_as(function, begin))


def _signature(function: Callable[..., Any]) -> Signature | None:
    try:
        return signature(function)
    except (TypeError, ValueError):
        return None


def _bound(parameters: Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by parameter name, without the object that a method belongs to."""
    try:
        given = dict(parameters.bind(*args, **kwargs).arguments) if parameters else {"args": args, **kwargs}
    except TypeError:
        # The call itself is going to raise that.
        return {"args": args, **kwargs}
    for name, parameter in parameters.parameters.items() if parameters else ():
        if parameter.kind is Parameter.VAR_KEYWORD:
            given |= given.pop(name, {})
    if given and next(iter(given)) in ("self", "cls"):
        del given[next(iter(given))]
    return given


def _function(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    def call_tool(*args: Any, **kwargs: Any) -> Any:
        if not current_trace().recording:
            return function(*args, **kwargs)
        with begin(args, kwargs) as call:
            call.result = function(*args, **kwargs)
        return call.result

    return call_tool


def _coroutine_function(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    async def call_tool(*args: Any, **kwargs: Any) -> Any:
        if not current_trace().recording:
            return await function(*args, **kwargs)
        with begin(args, kwargs) as call:
            call.result = await function(*args, **kwargs)
        return call.result

    return call_tool


def _generator_function(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    def call_tool(*args: Any, **kwargs: Any) -> Any:
        if not current_trace().recording:
            return (yield from function(*args, **kwargs))
        yielded = Yielded()
        with begin(args, kwargs) as call:
            call.result = yielded.found
            returned = yield from WatchedGenerator(function(*args, **kwargs), yielded)
            yielded.complete()
        return returned

    return call_tool


def _async_generator_function(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    async def call_tool(*args: Any, **kwargs: Any) -> Any:
        generator, yielded = function(*args, **kwargs), Yielded()
        note = yielded.note if current_trace().recording else _unnoted
        with begin(args, kwargs) as call:
            call.result = yielded.found
            try:
                item = await anext(generator)
                while True:
                    try:
                        sent = yield note(item)
                    except GeneratorExit:
                        await generator.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - handed to the generator, whatever it is
                        item = await generator.athrow(error)
                    else:
                        item = await generator.asend(sent)
            except StopAsyncIteration:
                yielded.complete()

    return call_tool


def _unnoted(item: Any) -> Any:
    return item


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Callable[..., Any], _Begin], Callable[..., Any]]], ...] = (
    (iscoroutinefunction, _coroutine_function),
    (isgeneratorfunction, _generator_function),
    (isasyncgenfunction, _async_generator_function),
)
