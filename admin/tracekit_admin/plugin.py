"""What tracekit finds through its entry points: the commands that need the admin app."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tracekit.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer

__all__ = ["tracekit_cli_commands"]

# Imported by name when the command line asks: apps load this module too, and need neither typer nor uvicorn.
_COMMANDS = (("tracekit_admin.serve", "add_serve_command"), ("tracekit_admin.demo.command", "add_demo_command"))


@hookimpl
def tracekit_cli_commands(cli: typer.Typer) -> None:
    """Add `serve` and `demo`."""
    for module, function in _COMMANDS:
        getattr(import_module(module), function)(cli)
