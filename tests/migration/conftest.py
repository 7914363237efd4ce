"""Databases to migrate: empty ones, and ones that the first version has used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import first_version
import pytest
from later_version import LaterVersion

from tracekit.store import Database


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """A database without a table, once of each kind."""
    database = Database(empty_database_url)
    yield database
    database.close()


@pytest.fixture
def used(empty: Database) -> Database:
    """A database with schema 0001 and rows in it, once of each kind."""
    first_version.make(empty)
    return empty


@pytest.fixture
def used_file(sqlite_url: str) -> Iterator[Database]:
    """A SQLite file with schema 0001 and rows in it."""
    database = Database(sqlite_url)
    first_version.make(database)
    yield database
    database.close()


@pytest.fixture
def later(tmp_path: Path) -> Callable[..., LaterVersion]:
    """Makes a later version whose step ends with a statement of the test's."""
    return lambda end="pass": LaterVersion(tmp_path / "later", end)
