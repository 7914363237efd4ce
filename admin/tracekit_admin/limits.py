"""What a permission may read that is limited to some traces: those operations that say so, and of them those traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import compile_path

from tracekit.errors import NotFound
from tracekit.types import Scope
from tracekit_admin.auth import Access, Gate
from tracekit_admin.operations import Call, Operation
from tracekit_admin.places import place_in_mount
from tracekit_admin.problems import Problem

__all__ = ["limited_places", "may_still_read"]

_READS = frozenset({"GET", "HEAD"})


def limited_places(operations: Sequence[Operation]) -> Callable[[Scope], bool]:
    """Whether a request is for an operation that honours a limit. Nothing else does: no page, no plugin's route."""
    patterns = [compile_path(operation.path)[0] for operation in operations if operation.limited]

    def is_one(scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] not in _READS:
            return False
        place = place_in_mount(scope)
        return any(pattern.match(place) for pattern in patterns)

    return is_one


async def may_still_read(gate: Gate, call: Call[Any, Any]) -> Access | None:
    """The permission that a reader still has for what he is reading.

    Raises:
        Problem: he has none any more.
    """
    access = await gate.access(call.door)
    if access is not None and access.is_limited:
        try:
            await run_in_threadpool(call.within, access)
        except NotFound:
            raise Problem(403, "The permission does not reach to this trace any more.") from None
    return access
