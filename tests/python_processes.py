"""Other Python processes, with the same import path as the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def environment(*first: str, **more: str) -> dict[str, str]:
    """The environment of such a process, with the folders `first` in front of the import path."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*first, *filter(None, sys.path)]), **more}


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )
