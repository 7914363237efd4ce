"""Bundled plugin: the recorder's health as Prometheus metrics, at `/metrics` of the admin."""

from __future__ import annotations

from tracekit_prometheus.plugin import tracekit_admin_routes

__all__ = ["tracekit_admin_routes"]
