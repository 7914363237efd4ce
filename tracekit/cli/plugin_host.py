"""The plugins, as the command line loads them."""

from __future__ import annotations

from tracekit.config import Options, load
from tracekit.plugins import PluginHost

__all__ = ["plugin_host"]


def plugin_host() -> PluginHost:
    """The installed plugins and those of `TRACEKIT_PLUGINS_DIR`, without those of `TRACEKIT_PLUGINS_OFF`."""
    options, _ = load(Options)
    return PluginHost.load(options.plugins_dir, off=options.plugins_left_out)
