"""The command line as a whole: which commands there are, and what becomes of their errors.

A command's module is imported when the command runs: most of them need the database layer, which takes longer to
import than the rest of the command line together. Plugins are asked for their commands only when a name is not one
of ours, and for the help page.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from traceback import extract_tb
from typing import Annotated, Any, cast

import typer
import typer.core
import typer.main

from tracekit.cli.exit_codes import ExitCode, exit_code_of
from tracekit.cli.plugin_host import plugin_host
from tracekit.errors import TracekitError
from tracekit.terminal_text import one_line
from tracekit.version import VERSION

__all__ = ["COMMANDS", "run"]


COMMANDS = {
    "list": ("tracekit.cli.trace_list", "List recorded traces, newest first."),
    "show": ("tracekit.cli.show", "Show the conversation of one trace, and how it ended."),
    "tail": ("tracekit.cli.tail", "Follow what is being recorded, in the terminal."),
    "active": ("tracekit.cli.active", "Show what runs now, and where each is."),
    "stuck": ("tracekit.cli.stuck", "Show what has given no sign for minutes, and why."),
    "failures": ("tracekit.cli.failures", "Show what failed most, and what to do about it."),
    "export": ("tracekit.cli.export", "Write one trace as text, JSON lines or the bytes on the wire."),
    "replay": ("tracekit.cli.replay", "Serve a recorded response again, for a front end under test."),
    "decode": ("tracekit.cli.decode", "Say what saved streams say."),
    "settings": ("tracekit.cli.settings", "Read and change what is recorded."),
    "prune": ("tracekit.cli.prune", "Delete old traces now."),
    "backup": ("tracekit.cli.backup", "Copy a SQLite database while it is in use."),
    "restore": ("tracekit.cli.restore", "Put a backup back."),
    "migrate": ("tracekit.cli.migrate", "Bring the database's tables up to date."),
    "plugins": ("tracekit.cli.plugin_list", "List the plugins, their hooks and their faults."),
    "doctor": ("tracekit.cli.doctor", "Look for what is wrong, and say how to mend it."),
}
"""Module of each command, and its line on the help page."""


class _LazyCommand(typer.core.TyperCommand):
    """Stands for a command until it runs."""

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._module = module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and let it parse its arguments; from here on it stands for itself."""
        module = importlib.import_module(self._module)
        return typer.main.get_command(module.app).make_context(info_name, args, parent, **extra)


class _Commands(typer.core.TyperGroup):
    """Our commands, then those of plugins."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: _LazyCommand(name, *about) for name, about in COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return [*self.commands, *sorted(self._of_plugins.keys() - self.commands.keys())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        return self.commands.get(cmd_name) or self._of_plugins.get(cmd_name)

    @cached_property
    def _of_plugins(self) -> Mapping[str, Any]:
        app = typer.Typer(add_completion=False)
        plugin_host().add_cli_commands(app)
        try:
            return cast("Mapping[str, Any]", typer.main.get_group(app).commands)
        except (RuntimeError, TypeError, AssertionError) as error:
            _complain(f"a plugin's commands cannot be used: {error}")
            return {}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Errors are one line on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.WARNING, handlers=[_log_handler()])
    try:
        outcome = _command_line()(args=list(arguments) or ["--help"], prog_name="tracekit", standalone_mode=False)
    except TracekitError as error:
        _complain(str(error))
        return exit_code_of(error)
    except typer.Abort:
        _complain("aborted")
        return ExitCode.FAILED
    except typer.TyperException as error:
        if said := error.format_message():
            _complain(said)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a fault of tracekit itself is told in one line too
        _complain(f"internal error: {type(error).__name__}: {error} ({_place(error)})")
        return ExitCode.FAILED
    return outcome if isinstance(outcome, int) else ExitCode.GOOD


def _command_line() -> Any:
    # Frames and colours on a terminal only: a help page may be piped too.
    app = typer.Typer(cls=_Commands, no_args_is_help=True, rich_markup_mode="rich" if sys.stdout.isatty() else None)
    app.callback()(_about)
    return typer.main.get_command(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tracekit {VERSION}")
        raise typer.Exit


def _about(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The flight recorder for streaming chat: read, export and look after what was recorded."""


def _complain(message: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"tracekit: {one_line(message)}\n")


def _place(error: Exception) -> str:
    frame = extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


class _OneLine(logging.Formatter):
    """Log records without their tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one safe line."""
        return f"tracekit: {one_line(record.getMessage())}"


def _log_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    return handler
