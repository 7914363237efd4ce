"""The schema of a database: which version it has, and bringing it up to that of this code.

A SQLite file is brought up by the first process that starts, inside one transaction, so that a process killed in the
middle leaves the old schema or the new one. PostgreSQL is brought up by `tracekit migrate`, when its owner says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect

from tracekit.errors import SchemaError, StoreError
from tracekit.store.engine import Database
from tracekit.store.file_copy import kept_copy

__all__ = ["VERSION_TABLE", "SchemaState", "ensure", "state", "upgrade"]

VERSION_TABLE = "tracekit_alembic_version"
"""A name of our own: the host may use Alembic in the same database."""

# The layers go downwards, so the migrations, which import tracekit, are only named here.
_MIGRATIONS = "tracekit_migrations"

# Alembic takes a tenth of a second to import and is needed once in the life of a schema; it is loaded when it is.
_RUNNER = "tracekit.store.alembic_runner"

_REVISION_FILE = re.compile(r"(\d{4})_\w+\.py")

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a database stands. `current` is None where there is no table of ours."""

    current: str | None
    head: str
    status: Literal["current", "missing", "older", "newer"]


def state(database: Database) -> SchemaState:
    """Where the database stands; looking changes nothing.

    Raises:
        StoreUnavailable: the database cannot be reached or read.
    """
    path = database.path()
    if path is not None and not path.exists():
        return _judged(None)
    with database.reading() as connection:
        return _judged(_current(connection))


def ensure(database: Database) -> None:
    """See that the schema is that of this code: SQLite is brought up, PostgreSQL only looked at.

    Raises:
        SchemaError: it is newer than the code; or PostgreSQL's is missing or older, or a step of SQLite's failed.
            The database is as it was.
        StoreUnavailable: the database cannot be reached or written now.
    """
    found = state(database)
    _refuse_newer(found)
    if found.status == "current":
        return
    if database.dialect == "postgresql":
        what = "has no tables of tracekit yet" if found.current is None else f"has the older schema {found.current}"
        raise SchemaError(f"the database {what}, and this version needs {found.head}; run: tracekit migrate")
    upgrade(database)


def upgrade(database: Database, *, on_step: OnStep | None = None) -> SchemaState:
    """Bring the schema up to that of this code, and say where it stands then.

    All steps are one transaction under a lock, so several processes may call it at once: the first does the work, the
    others wait and find it done. Of a SQLite file with an older schema, a copy named `<file>.before-<revision>` is
    kept beside it. `on_step` is told the name of each step when it is done.

    Raises:
        SchemaError: the schema is newer than the code, or a step failed; the database is as it was.
        StoreUnavailable: the database cannot be reached or written now, or there is no room for the copy.
    """
    try:
        with database.migrating() as connection:
            return _upgrade(database, connection, on_step)
    except StoreError:
        raise
    except Exception as error:
        raise SchemaError(f"a step to a newer schema failed, the database is as it was: {error}") from error


def _upgrade(database: Database, connection: Connection, on_step: OnStep | None) -> SchemaState:
    found = _judged(_current(connection))
    _refuse_newer(found)
    if found.status == "current":
        return found
    with _copy_of_older(database, connection, found), _script_location() as folder:
        import_module(_RUNNER).run(connection, folder, VERSION_TABLE, on_step)
        _refuse_orphans(connection)
    return _judged(_current(connection))


def _copy_of_older(database: Database, connection: Connection, found: SchemaState) -> AbstractContextManager[None]:
    file = database.path()
    if file is None or found.current is None:
        return nullcontext()
    return kept_copy(connection, file, file.with_name(f"{file.name}.before-{found.head}"))


def _judged(current: str | None) -> SchemaState:
    known = _revisions()
    head = known[-1]
    if current is None:
        return SchemaState(None, head, "missing")
    if current == head:
        return SchemaState(current, head, "current")
    return SchemaState(current, head, "older" if current in known else "newer")


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    current: str | None = connection.exec_driver_sql(f"SELECT max(version_num) FROM {VERSION_TABLE}").scalar()
    return current


def _refuse_newer(found: SchemaState) -> None:
    if found.status == "newer":
        raise SchemaError(
            f"the database has schema {found.current}, made by a newer tracekit than this one, which knows"
            f" {found.head}; nothing was touched: install the newer version, or use another database"
        )


def _refuse_orphans(connection: Connection) -> None:
    """SQLite does not look after foreign keys while tables are made anew, so it has to look once at the end."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise SchemaError("a step to a newer schema left rows whose trace is gone; the database is as it was")


@cache
def _revisions() -> tuple[str, ...]:
    """The revisions in order. Their files carry the number in front, so Alembic is not needed to know them."""
    names = (entry.name for entry in files(_MIGRATIONS).joinpath("versions").iterdir())
    return tuple(sorted(match[1] for name in names if (match := _REVISION_FILE.fullmatch(name))))


@contextmanager
def _script_location() -> Iterator[Path]:
    with as_file(files(_MIGRATIONS)) as folder:
        yield folder
