"""Where a request stands inside the mount, and how to link from there.

Links and redirects are relative to the requested path. So they hold under any mount, and behind a proxy that takes a
prefix away without saying so.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from tracekit.types import Scope

__all__ = ["link_to_root", "place_in_mount", "requested_target", "safe_target", "with_whole_path"]

# A path of ours with its query: one slash first, since two would name another host, and nothing that a browser
# rewrites (backslashes, control characters) or that starts a fragment.
_TARGET = re.compile(r"/(?!/)[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*")


def place_in_mount(scope: Scope) -> str:
    """The requested path inside the mount; empty for the mount's own path without its slash."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


def with_whole_path(scope: Scope) -> Scope:
    """The scope as ASGI 3 wants it: some frameworks still take the mount off the path that they hand on."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return {**scope, "path": root + path} if root and place_in_mount(scope) == path else scope


def link_to_root(scope: Scope) -> str:
    """The relative link from the requested path to the root of the mount: `./`, `../`, `../../`."""
    # A browser does not count a slash that is written as %2F; the server has decoded it.
    escaped_slashes = scope.get("raw_path", b"").lower().count(b"%2f")
    depth = place_in_mount(scope).count("/") - 1 - escaped_slashes
    return "../" * depth or "./"


def requested_target(connection: HTTPConnection) -> str:
    """The requested path inside the mount with its query, as `safe_target` takes it."""
    query = URL(scope=connection.scope).query
    return quote(place_in_mount(connection.scope), safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def safe_target(target: str) -> str:
    """A target that a browser may be sent to: `target` if it stays inside the mount, else the mount's root."""
    path = target.partition("?")[0]
    if not _TARGET.fullmatch(target) or any(unquote(segment) in (".", "..") for segment in path.split("/")):
        return "/"
    return target
