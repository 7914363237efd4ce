"""`Admin`: the admin API and pages of one recorder."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tracekit.errors import TracekitError
from tracekit.middleware import SCOPE_KEY
from tracekit.trace import TaskTraceRecorder
from tracekit.types import Decision, Receive, Scope, Send
from tracekit_admin.api import Api
from tracekit_admin.auth import Authorize, gate_of
from tracekit_admin.guard import STATIC, Guard
from tracekit_admin.limits import limited_places
from tracekit_admin.operations import DOOR_KEY, routes_of
from tracekit_admin.places import with_whole_path
from tracekit_admin.plugin_routes import plugin_paths
from tracekit_admin.problems import Problem, as_sentence, problem_of
from tracekit_admin.refusals import refusal
from tracekit_admin.security_headers import SecurityHeaders
from tracekit_admin.timing import Timed

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["Admin"]

logger = logging.getLogger("tracekit.admin")


class Admin:
    """An ASGI app with the admin API and pages, to be mounted under any path or served alone.

    Args:
        recorder: whose traces and settings it shows.
        authorize: the host's own check of a request: True or an `Access` lets it in. Left out, the admin token does
            (`TRACEKIT_ADMIN_TOKEN`); without one, nothing and nobody gets in.
    """

    def __init__(self, recorder: Recorder, *, authorize: Authorize | None = None) -> None:
        token = recorder.options.admin_token
        gate = gate_of(authorize, token.get_secret_value() if token else None)
        self.api = Api(gate)
        self._recorder = recorder
        self._has_waited = False
        self.router = self._starlette()
        open_places = {operation.path for operation in self.api.operations if operation.open}
        if open_places:
            open_places.add(STATIC)
        guard = Guard(Timed(self.router, recorder), gate, open_places, limited_places(self.api.operations))
        self._app = SecurityHeaders(guard)

    def _starlette(self) -> Starlette:
        added = self._recorder.plugins.admin_routes(self._recorder)
        self.api.document["paths"] |= plugin_paths(added)
        routes = [
            *routes_of(self.api.operations, self._recorder),
            Mount(STATIC, _Assets(directory=Path(__file__).parent / "static")),
            *added,
        ]
        kinds = (HTTPException, Problem, TracekitError, SQLAlchemyError, ClientDisconnect, Exception)
        app = Starlette(routes=routes, exception_handlers=dict.fromkeys(kinds, self._explain), lifespan=self._lifespan)
        # A redirect to a slash would name the host that the request claims to be for.
        app.router.redirect_slashes = False
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        await self._start()
        seen = with_whole_path(scope)
        _not_recorded(seen)
        return await self._app({**seen, DOOR_KEY: seen}, receive, send)

    async def _start(self) -> None:
        """Nobody needs a lifespan: the recorder starts with the first request, which waits for it a moment."""
        self._recorder.start()
        if not self._has_waited:
            await self._recorder.started()
            self._has_waited = True

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self._recorder.started()
        yield
        await self._recorder.drained()

    def _explain(self, request: Request, error: Exception) -> Response:
        """An exception as a problem. Where the database is to blame, the recorder knows best what is wrong with it."""
        problem = problem_of(error)
        if problem.status >= 500 and not isinstance(error, HTTPException):
            database = self._recorder.health().database
            if database.problem and isinstance(error, TracekitError | SQLAlchemyError):
                problem = Problem(503, as_sentence(database.problem), headers=problem.headers)
            elif problem.status == 500:
                logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return refusal(request, problem)


def _not_recorded(scope: Scope) -> None:
    """What the admin streams is never recorded, also where a middleware stands before it."""
    trace = scope.get(SCOPE_KEY)
    if isinstance(trace, TaskTraceRecorder) and trace.decision is None:
        trace.decision = Decision(False, "admin")


class _Assets(StaticFiles):
    """Static files that browsers keep, and ask each time whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response
