"""Bundled plugin: who asks, as the app's own authentication has noted it in the ASGI scope."""

from __future__ import annotations

from tracekit_scope_user.plugin import tracekit_identify_actor

__all__ = ["tracekit_identify_actor"]
