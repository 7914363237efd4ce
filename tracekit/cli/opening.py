"""The database that a command works on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tracekit.cli.plugin_host import plugin_host
from tracekit.config import Options, load
from tracekit.errors import NotFound, SchemaError, StoreUnavailable
from tracekit.store import Database, EventRecord, Texts, TraceStore
from tracekit.store.schema import state
from tracekit.terminal_text import one_line
from tracekit.texts_of_frames import texts_of_frames
from tracekit.workspaces import Workspaces

__all__ = ["found_trace", "open_database", "open_store", "options", "workspaces"]

_LAST = "last"


def options(database_url: str | None = None) -> Options:
    """The options of this process; what is wrong in the environment is told on standard error."""
    found, problems = load(Options, database_url=database_url)
    for problem in problems:
        sys.stderr.write(f"tracekit: {one_line(problem)}\n")
    return found


@contextmanager
def open_database(database_url: str | None, *, may_be_new: bool = False) -> Iterator[Database]:
    """The database, closed again at the end.

    Raises:
        ConfigurationError: the URL cannot be used.
        StoreUnavailable: it is a file that does not exist, unless it `may_be_new`.
    """
    database = Database(options(database_url).database_url)
    path = database.path()
    if path is not None and not may_be_new and not path.exists():
        raise StoreUnavailable(f"there is no database at {path}: start the app once, or run: tracekit migrate")
    try:
        yield database
    finally:
        database.close()


@contextmanager
def open_store(database_url: str | None) -> Iterator[TraceStore]:
    """The traces of a database whose tables are those of this version.

    Raises:
        ConfigurationError, StoreUnavailable: as `open_database`.
        SchemaError: the tables are missing, older or newer.
    """
    with open_database(database_url) as database:
        require_schema(database)
        yield TraceStore(database, on_deleted=workspaces().discard, read_frames=_read_frames)


def _read_frames(framing: str | None, events: Iterable[EventRecord]) -> Texts:
    """Plugins are loaded only for those that need one."""
    return texts_of_frames(plugin_host(), framing, events)


def workspaces() -> Workspaces:
    """The workspaces that `TRACEKIT_WORKSPACE_DIR` names."""
    return Workspaces(load(Options)[0].workspace_dir)


def require_schema(database: Database) -> None:
    """See that the tables are those of this version. Nothing is changed: a look at a database is no reason to.

    Raises:
        SchemaError: they are missing, older or newer.
    """
    found = state(database)
    if found.status == "newer":
        raise SchemaError(f"the database has schema {found.current}, of a newer tracekit than this: install that one")
    if found.status != "current":
        raise SchemaError(f"the database's tables are {found.status}; run: tracekit migrate")


__all__ += ["require_schema"]


def found_trace(store: TraceStore, name: str) -> str:
    """The id of the trace that `name` means: an id, or `last` for the newest.

    Raises:
        NotFound: nothing is recorded yet. Whether an id exists is seen when it is read.
    """
    if name != _LAST:
        return name
    newest = store.list_traces(limit=1).items
    if not newest:
        raise NotFound("nothing is recorded yet")
    return newest[0].trace_id
