"""Bundled plugin: reason codes for the errors of well-known libraries and protocols."""

from __future__ import annotations

from tracekit_reasons.plugin import tracekit_classify_error

__all__ = ["tracekit_classify_error"]
