"""The command line. Needs the extra `cli` (typer and rich)."""

from __future__ import annotations

from tracekit.cli.commands import run
from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.options import AsJson, DatabaseUrl

__all__ = ["AsJson", "DatabaseUrl", "ExitCode", "run"]
