"""The text that Prometheus reads, in the form that it asks for."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from tracekit.health import Health
from tracekit_prometheus.collector import HealthCollector

__all__ = ["Exposition"]


class Exposition:
    """A registry of its own: what the app counts with the same library is the app's to show."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(HealthCollector(health))

    def answer(self, request: Request) -> Response:
        """Metrics of this process for Prometheus: queue, spool, flushes, losses, memory, alerts."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": content_type})
