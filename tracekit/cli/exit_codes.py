"""What the exit status of a command means to a script."""

from __future__ import annotations

from enum import IntEnum

from tracekit.errors import ConfigurationError, InvalidInput, NotFound, StoreUnavailable, TracekitError

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """Exit statuses of all commands."""

    GOOD = 0
    FAILED = 1
    """It failed, or found a problem."""
    WRONG_USE = 2
    """A wrong argument, option, setting or installation."""
    NOT_FOUND = 3
    """There is no such trace."""
    UNAVAILABLE = 4
    """The database cannot be reached."""


def exit_code_of(error: TracekitError) -> ExitCode:
    """The exit status for an error that ended a command."""
    if isinstance(error, ConfigurationError | InvalidInput):
        return ExitCode.WRONG_USE
    if isinstance(error, NotFound):
        return ExitCode.NOT_FOUND
    return ExitCode.UNAVAILABLE if isinstance(error, StoreUnavailable) else ExitCode.FAILED
