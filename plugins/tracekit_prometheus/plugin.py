"""`GET /metrics` of the admin app, behind the same check as everything there. Needs the extra `tracekit[metrics]`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tracekit.hookspecs import hookimpl

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["tracekit_admin_routes"]

_PATH = "/metrics"
_MISSING = "Metrics need the library prometheus-client: pip install 'tracekit[metrics]'"


@hookimpl
def tracekit_admin_routes(recorder: Recorder) -> Sequence[BaseRoute]:
    """Adds the metrics. Without the library nothing is wrong, and who asks for metrics is told what is missing."""
    if find_spec("prometheus_client") is None:
        return [Route(_PATH, _missing)]
    # By name, since most who install tracekit have no such library.
    exposition: Any = import_module("tracekit_prometheus.exposition").Exposition(recorder.health)
    return [Route(_PATH, exposition.answer)]


def _missing(request: Request) -> Response:
    """Metrics for Prometheus, once the library is installed that writes them."""
    raise HTTPException(404, _MISSING)
