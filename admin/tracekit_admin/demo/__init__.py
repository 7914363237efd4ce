"""The demo: a small chat app with a scripted model, and a check that what it sends is what is recorded."""

from __future__ import annotations

from tracekit_admin.demo.command import add_demo_command

__all__ = ["add_demo_command"]
