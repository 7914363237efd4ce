"""A recorder on SQLite whose tables are there from the start, and runs recorded by it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import Play, RecordedRun, recorded
from recorders import recording
from sqlalchemy import make_url

from tracekit import Recorder
from tracekit.store import Database


@pytest.fixture
def sqlite_recorder(sqlite_template: Path, sqlite_url: str) -> Iterator[Recorder]:
    """A recorder on a SQLite file of its own, which has the tables already."""
    shutil.copyfile(sqlite_template, str(make_url(sqlite_url).database))
    with recording(sqlite_url) as made:
        yield made


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A SQLite database with tracekit's tables."""
    shutil.copyfile(sqlite_template, tmp_path / "tracekit.db")
    database = Database(f"sqlite:///{tmp_path / 'tracekit.db'}")
    yield database
    database.close()


@pytest.fixture
def play(sqlite_recorder: Recorder) -> Play:
    """Runs a function, or a coroutine function, inside a recorded run."""

    def played(work: Callable[[], Any]) -> RecordedRun:
        with sqlite_recorder.trace("run") as trace:
            outcome = work()
            if asyncio.iscoroutine(outcome):
                asyncio.run(outcome)
        return recorded(sqlite_recorder, trace.trace_id)

    return played
