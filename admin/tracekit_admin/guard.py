"""The door of the admin app: nothing behind it runs for a request that has no permission."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from tracekit.types import ASGIApp, Receive, Scope, Send
from tracekit_admin.auth import Gate
from tracekit_admin.operations import ACCESS_KEY, BEYOND
from tracekit_admin.origin import CHANGING_METHODS, origin_fault
from tracekit_admin.places import link_to_root, place_in_mount, requested_target
from tracekit_admin.problems import Problem, problem_of, problem_response
from tracekit_admin.refusals import is_navigation, refusal

__all__ = ["SIGN_IN", "STATIC", "Guard"]

logger = logging.getLogger("tracekit.admin")

SIGN_IN = "/sign-in"
STATIC = "/static"

# The close code of a WebSocket that breaks a rule (RFC 6455, section 7.4.1); before the handshake it becomes a 403.
_POLICY_VIOLATION = 1008


class Guard:
    """ASGI middleware that asks the gate about every request, but for `open_places`, and refuses foreign changes."""

    def __init__(
        self, app: ASGIApp, gate: Gate, open_places: Collection[str], is_limited_place: Callable[[Scope], bool]
    ) -> None:
        """`is_limited_place`: whether a request is for what a limited permission may read."""
        self._app = app
        self._is_limited_place = is_limited_place
        self._gate = gate
        self._open_places = frozenset(open_places)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        refusal = await self._refusal(HTTPConnection(scope))
        if refusal is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return await refusal(scope, receive, send)

    async def _refusal(self, connection: HTTPConnection) -> Response | None:
        """What a request is answered that may not pass; None: it may."""
        try:
            access = await self._gate.access(connection)
            if access is None and not self._is_open(connection.scope):
                return _how_to_come_in(connection)
            if access is not None and access.is_limited and not self._is_limited_place(connection.scope):
                raise Problem(403, BEYOND)
            _check_origin(connection)
        except Exception as error:  # noqa: BLE001 - whatever happens at the door, it stays closed
            return _refused(connection, error)
        connection.scope[ACCESS_KEY] = access
        return _with_slash(connection.scope)

    def _is_open(self, scope: Scope) -> bool:
        place = place_in_mount(scope)
        return place in self._open_places or any(place.startswith(f"{open_place}/") for open_place in self._open_places)


def _refused(connection: HTTPConnection, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status >= 500:
        logger.error("the check of a request failed, so it was refused", exc_info=error)
    return refusal(connection, problem)


def _how_to_come_in(connection: HTTPConnection) -> Response:
    """A person is sent to the sign-in page, and from there to the page that was asked for; what a form was to do is not
    done. A program is told which credentials are missing."""
    if is_navigation(connection):
        reads = connection.scope["method"] in ("GET", "HEAD")
        target = urlencode({"next": requested_target(connection) if reads else "/"})
        return RedirectResponse(f"{link_to_root(connection.scope)}{SIGN_IN[1:]}?{target}", 303)
    problem = Problem(
        401,
        "Not signed in, or the session has ended: sign in, or send the admin token as a bearer token.",
        headers={"WWW-Authenticate": 'Bearer realm="tracekit"'},
    )
    return problem_response(problem)


def _check_origin(connection: HTTPConnection) -> None:
    scope = connection.scope
    if scope["type"] == "websocket" or scope["method"] in CHANGING_METHODS:
        fault = origin_fault(connection.headers)
        if fault is not None:
            raise Problem(403, fault)


def _with_slash(scope: Scope) -> Response | None:
    """The mount's own path without its slash: relative links would lead out of it."""
    root: str = scope.get("root_path", "").rstrip("/")
    if scope["type"] == "http" and root and not place_in_mount(scope):
        return RedirectResponse(f"{root.rpartition('/')[2]}/", 308)
    return None
