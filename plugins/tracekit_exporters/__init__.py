"""Bundled plugin: the export formats."""

from __future__ import annotations

from tracekit_exporters.plugin import tracekit_exporters

__all__ = ["tracekit_exporters"]
