"""The admin API and pages of tracekit, as an ASGI app that any other can mount."""

from __future__ import annotations

from tracekit_admin.app import Admin
from tracekit_admin.install import install

__all__ = ["Admin", "install"]
