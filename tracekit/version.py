"""The version of the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["VERSION"]

try:
    VERSION = version("tracekit")
except PackageNotFoundError:
    VERSION = "0+unknown"
"""Of the installed distribution; `0+unknown` in a tree that is not installed."""
