"""`tracekit plugins`: what is loaded, what it hooks into, and what went wrong."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.options import AsJson
from tracekit.cli.output import Column, Line, print_lines
from tracekit.cli.plugin_host import plugin_host
from tracekit.plugins import PluginFacts

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_PREFIX = "tracekit_"
_COLUMNS = tuple(map(Column, ("Plugin", "From", "Version", "Hooks", "State")))


@app.command()
def plugins(as_json: AsJson = False) -> None:
    """List the plugins, their hooks and their faults. Exits 1 if one could not be loaded."""
    facts = plugin_host().loaded
    print_lines(_COLUMNS, [_line(plugin) for plugin in facts], as_json=as_json)
    if any(plugin.error and plugin.error != "switched off" for plugin in facts):
        raise typer.Exit(ExitCode.FAILED)


def _line(plugin: PluginFacts) -> Line:
    state = plugin.error or (f"{plugin.faults} faults: {plugin.last_fault}" if plugin.faults else "ok")
    hooks = [hook.removeprefix(_PREFIX) for hook in plugin.hooks]
    fields = (plugin.name, plugin.origin, plugin.version, ",".join(hooks), state)
    cells = (plugin.name, plugin.origin, plugin.version or "", "\n".join(hooks), state)
    return Line(asdict(plugin), fields, cells, {0: "bold", 4: "red" if plugin.error or plugin.faults else "green"})
