"""`tracekit` and `python -m tracekit`."""

from __future__ import annotations

import sys

try:
    from tracekit.cli import run
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"rich", "typer"}:
        raise
    run = None  # type: ignore[assignment]

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    if run is None:
        sys.stderr.write("tracekit: the command line needs typer and rich: pip install 'tracekit[cli]'\n")
        sys.exit(2)
    sys.exit(run())


if __name__ == "__main__":
    main()
