"""Bundled plugin: records only a share of the chats that nobody asked to have recorded."""

from __future__ import annotations

from tracekit_sampling.plugin import tracekit_configuration_problems, tracekit_should_record

__all__ = ["tracekit_configuration_problems", "tracekit_should_record"]
