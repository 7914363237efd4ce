"""The routes that plugins add, as the OpenAPI document tells of them: their place, and what their docstring says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Route

__all__ = ["plugin_paths"]

_ANSWER = {
    "description": "What the plugin answers; its own documentation says more.",
    "content": {"application/json": {"schema": {}}},
}
_PROBLEM = {"description": "A problem document (RFC 9457)."}


def plugin_paths(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The `paths` of an OpenAPI document for plugins' routes. A mount has a document of its own, or none."""
    paths: dict[str, Any] = {}
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(route.path, {})[method.lower()] = _operation(route, method)
    return paths


def _operation(route: Route, method: str) -> dict[str, Any]:
    told = inspect.getdoc(route.endpoint) or route.name
    names = re.findall(r"{(\w+)", route.path)
    return {
        "operationId": f"plugin_{method.lower()}_{re.sub('[^a-zA-Z0-9]+', '_', route.path).strip('_')}",
        "summary": told.partition("\n")[0],
        "description": told,
        "tags": ["plugins"],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {"200": _ANSWER, "default": _PROBLEM},
    }
