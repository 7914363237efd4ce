"""`python -m benchmarks`: every figure, with its floor and its noise. Exits 1 if a budget is not met and
`--strict` is given; timing is for people to read, not for a test to trip over."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
from pathlib import Path

from benchmarks import capture, console, ingest, live, questions, replay, spans, storage


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds, at least 5 (default 7)")
    parser.add_argument("--live", action="store_true", help="also measure live readers; takes minutes")
    parser.add_argument("--spans", type=int, default=0, help="also ask the questions with so many spans stored")
    parser.add_argument("--traces", type=int, default=0, help="also open the console's pages over so many traces")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a budget is not met")
    arguments = parser.parse_args()
    print(
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores,"
        f" {arguments.rounds} rounds in turn; load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as name:
        folder = Path(name)
        figures = [
            *capture.run(folder, arguments.rounds),
            *spans.run(folder, arguments.rounds),
            *storage.disk(folder),
            *storage.reads(folder, arguments.rounds),
            *storage.length(folder, max(5, arguments.rounds // 2)),
            *storage.memory(folder),
            *replay.run(folder, min(3, arguments.rounds)),
            *ingest.run(folder, arguments.rounds),
            *(live.run(folder, arguments.rounds) if arguments.live else ()),
            *(questions.run(folder, arguments.rounds, arguments.spans) if arguments.spans else ()),
            *(console.run(folder, arguments.rounds, arguments.traces) if arguments.traces else ()),
        ]
    missed = [figure.name for figure in figures if figure.met is False]
    print(f"\n{len(missed)} budgets not met" + (": " + ", ".join(missed) if missed else ""))
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())
