"""`install`: middleware and admin in one call, for Starlette and FastAPI."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from tracekit.errors import ConfigurationError
from tracekit.middleware import TraceMiddleware
from tracekit.recorder import Recorder
from tracekit.types import Actor, ASGIApp, Receive, Scope, Send
from tracekit_admin.app import Admin
from tracekit_admin.auth import Authorize
from tracekit_admin.places import place_in_mount

__all__ = ["install"]

Patterns = Iterable[str | re.Pattern[str]]


def install(
    app: Starlette,
    *,
    path: str = "/tracekit",
    recorder: Recorder | None = None,
    authorize: Authorize | None = None,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
    identify: Callable[[Scope], Actor | None] | None = None,
    **middleware_options: Any,
) -> Recorder:
    """Record what `app` streams, and mount the admin API and pages at `path`. To be called before the app serves.

    Args:
        app: a Starlette or FastAPI app.
        path: where the admin is mounted; what goes there is never recorded.
        recorder: the recorder; left out, one that the environment configures.
        authorize: the host's own check of who may see the admin, as `Admin` takes it.
        include: path patterns that are recorded whatever they answer, as `TraceMiddleware` takes them.
        exclude: path patterns that are never recorded.
        identify: says who asks, as `Recorder` takes it; only where no recorder is given.
        **middleware_options: further options of `TraceMiddleware`.

    Returns:
        The recorder.

    Raises:
        ConfigurationError: `path` is no path of its own, `identify` is given beside a recorder that has one, or the
            app has an admin already.
    """
    if not re.fullmatch(r"(/[^/{}]+)+", path):
        raise ConfigurationError(
            f"path must be like /tracekit: with a slash before each part and none after, not {path!r}"
        )
    if any(isinstance(route, Mount) and isinstance(route.app, Admin) for route in app.routes):
        raise ConfigurationError("this app has a tracekit admin already")
    if recorder is None:
        recorder = Recorder(identify=identify)
    elif identify is not None:
        raise ConfigurationError("give identify to the Recorder, since you build it yourself")
    options = {"include": include, "exclude": exclude, **middleware_options}
    app.add_middleware(_AllButAdmin, recorder, path, options)
    # First, so that a route of the app that takes every path does not take these.
    app.router.routes[:0] = [Mount(path, Admin(recorder, authorize=authorize)), Route(path, _add_slash)]
    return recorder


async def _add_slash(request: Request) -> Response:
    """The mount as people type it, to the mount as its links need it."""
    return RedirectResponse(f"{request.url.path.rpartition('/')[2]}/", 308)


class _AllButAdmin(TraceMiddleware):
    """The middleware, which never looks at the admin, under whatever root path the app itself is served."""

    def __init__(self, app: ASGIApp, recorder: Recorder, admin_path: str, options: dict[str, Any]) -> None:
        super().__init__(app, recorder, **options)
        self._admin_path = admin_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and self._is_admin(place_in_mount(scope)):
            return await self.app(scope, receive, send)
        return await super().__call__(scope, receive, send)

    def _is_admin(self, place: str) -> bool:
        return place.startswith(self._admin_path) and place[len(self._admin_path) :][:1] in ("", "/")
