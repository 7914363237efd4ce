"""Functions of every kind with a span around each call. Callers cannot tell the difference."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from tracekit.span_context import Place

__all__ = ["Step", "spanned"]


class Step(Protocol):
    """A span, as a block."""

    def start(self) -> Any: ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


_F = TypeVar("_F", bound=Callable[..., Any])
_New = Callable[[], Step]


def spanned(function: _F, new: _New) -> _F:
    """`function` with a new span around each of its calls. The span of a generator lasts from its first item to its
    end, and its caller is never inside it."""
    if isinstance(function, staticmethod | classmethod):
        return cast(_F, type(function)(spanned(function.__func__, new)))
    wrap = next((wrap for fits, wrap in _KINDS if fits(function)), _function)
    return cast(_F, wraps(function)(wrap(function, new)))


def _function(function: Callable[..., Any], new: _New) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with new():
            return function(*args, **kwargs)

    return call


def _coroutine_function(function: Callable[..., Any], new: _New) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with new():
            return await function(*args, **kwargs)

    return call


def _generator_function(function: Callable[..., Any], new: _New) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        step, place = new(), Place()
        with place:
            step.start()
        with step:
            return (yield from _Placed(function(*args, **kwargs), place))

    return call


class _Placed(Generator[Any, Any, Any]):
    """A generator whose steps run in their own place: for `yield from`."""

    def __init__(self, generator: Generator[Any, Any, Any], place: Place) -> None:
        self._generator = generator
        self._place = place

    def send(self, value: Any, /) -> Any:
        """The next item."""
        with self._place:
            return self._generator.send(value)

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        """Raise inside the generator; the item that it yields then."""
        with self._place:
            return self._generator.throw(kind if value is None else value)


def _async_generator_function(function: Callable[..., Any], new: _New) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        step, place = new(), Place()
        with place:
            step.start()
        with step:
            generator = function(*args, **kwargs)
            coming = anext(generator)
            while True:
                try:
                    with place:
                        item = await coming
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with place:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed to the generator, whatever it is
                    coming = generator.athrow(error)
                else:
                    coming = generator.asend(sent)

    return call


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Callable[..., Any], _New], Callable[..., Any]]], ...] = (
    (isasyncgenfunction, _async_generator_function),
    (iscoroutinefunction, _coroutine_function),
    (isgeneratorfunction, _generator_function),
)
