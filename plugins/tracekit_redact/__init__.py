"""Masks secrets before anything is stored: keys of APIs, passwords, tokens, private keys."""

from __future__ import annotations

from tracekit_redact.plugin import Redact, tracekit_admin_routes, tracekit_before_store, tracekit_configuration_problems

__all__ = ["Redact", "tracekit_admin_routes", "tracekit_before_store", "tracekit_configuration_problems"]
