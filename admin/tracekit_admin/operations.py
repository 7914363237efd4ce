"""What an operation of the admin app is, and how a request becomes the answer of one.

One table of operations makes both the routes and the OpenAPI document, so that neither can say what the other does
not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from tracekit import json_text
from tracekit_admin.auth import Access
from tracekit_admin.bodies import read_body, read_form
from tracekit_admin.problems import Problem, problems_of_fields
from tracekit_admin.queries import NoQuery, Query, parse_query

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["ACCESS_KEY", "BEYOND", "DOOR_KEY", "HTML", "JSON", "Answer", "Call", "Nothing", "Operation", "routes_of"]

ACCESS_KEY = "tracekit.access"
"""Where the permission of a request stands in its ASGI scope."""

DOOR_KEY = "tracekit.door"
"""Where the scope stands as the guard sees it: with the host's app in it, not ours."""

BEYOND = "This permission is limited to some traces, and this would show more than those."

JSON = "application/json"
HTML = "text/html"
FORM = "application/x-www-form-urlencoded"

QueryT = TypeVar("QueryT", bound=Query)
BodyT = TypeVar("BodyT", bound=BaseModel)


class Nothing(BaseModel):
    """No body."""


@dataclass(frozen=True, slots=True)
class Call(Generic[QueryT, BodyT]):
    """One request whose parts have been checked."""

    recorder: Recorder
    request: Request
    query: QueryT
    body: BodyT

    @property
    def access(self) -> Access:
        """Who asks."""
        access = self.request.scope.get(ACCESS_KEY)
        return access if isinstance(access, Access) else Access("nobody")

    def within(self, access: Access) -> None:
        """See that a permission reaches to the trace in the path, if there is one.

        Raises:
            NotFound: it does not, or there is no such trace; nobody can tell which.
        """
        if "trace_id" in self.request.path_params and (limit := access.visible) is not None:
            self.recorder.store.require_visible(self.trace_id, limit)

    @property
    def door(self) -> HTTPConnection:
        """The request as the gate sees it, to ask it once more."""
        return HTTPConnection(dict(self.request.scope[DOOR_KEY]))

    @property
    def trace_id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["trace_id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer: for JSON a model that describes it."""

    status: int
    description: str
    model: Any = None
    media_type: str = JSON
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `answer` runs in the thread pool."""

    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    answer: Callable[[Call[Any, Any]], Response]
    summary: str
    tag: str
    answers: Sequence[Answer]
    errors: Sequence[int] = ()
    """Problems of its own, besides those that every operation may answer."""
    query: type[Query] = NoQuery
    body: type[BaseModel] = Nothing
    body_type: str = JSON
    request_headers: Sequence[str] = ()
    open: bool = False
    """Answers also those who have no permission."""
    limited: bool = False
    """Shows to a permission that is limited to some traces those and no others."""

    @property
    def operation_id(self) -> str:
        """The name of the operation in the document."""
        return self.answer.__name__


def routes_of(operations: Sequence[Operation], recorder: Recorder) -> list[Route]:
    """A route for each path. One route has all methods of its path, so that a 405 names them all."""
    by_path = groupby(sorted(operations, key=attrgetter("path")), key=attrgetter("path"))
    endpoints = {
        path: _Endpoint({operation.method: operation for operation in group}, recorder) for path, group in by_path
    }
    return [Route(path, endpoint.answer, methods=list(endpoint.operations)) for path, endpoint in endpoints.items()]


class _Endpoint:
    """The operations of one path."""

    def __init__(self, operations: dict[str, Operation], recorder: Recorder) -> None:
        self.operations: dict[str, Operation] = operations
        self._recorder = recorder

    async def answer(self, request: Request) -> Response:
        """Check the parts of a request, then let its operation answer."""
        operation = self.operations["GET" if request.method == "HEAD" else request.method]
        query = parse_query(operation.query, request.query_params.multi_items())
        body = await _body(operation, request)
        call = Call(self._recorder, request, query, body)
        return await run_in_threadpool(_answer, operation, call)


def _answer(operation: Operation, call: Call[Any, Any]) -> Response:
    if call.access.is_limited and not operation.limited:
        raise Problem(403, BEYOND)
    call.within(call.access)
    return operation.answer(call)


async def _body(operation: Operation, request: Request) -> BaseModel:
    if operation.body is Nothing:
        return Nothing()
    if operation.body_type == FORM:
        values: Any = await read_form(request)
    else:
        values = _object(await read_body(request))
    try:
        return operation.body.model_validate(values)
    except ValidationError as error:
        raise problems_of_fields(error, "body", operation.body) from None


def _object(document: bytes) -> dict[str, Any]:
    try:
        value = json_text.decode(document.decode())
    except ValueError as error:
        raise Problem(400, f"The body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Problem(422, "The body must be a JSON object.", errors=[{"field": "body", "message": "a JSON object"}])
    return value
