"""Which databases can be named, and that no password is shown."""

from __future__ import annotations

import socket
import traceback

import pytest
from python_processes import run_script

from tracekit.errors import ConfigurationError, StoreUnavailable
from tracekit.store import Database


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hidden@host:5432/name",
        "postgres://u:hidden@host/name",
        "postgresql+psycopg://u:hidden@/name?host=/run/postgresql",
        "postgresql://host/name?user=u&password=hidden",
    ],
)
def test_a_password_is_not_shown(url: str) -> None:
    """Every form of a PostgreSQL URL is taken, and none shows its password afterwards."""
    database = Database(url)
    assert database.dialect == "postgresql"
    assert "hidden" not in f"{database!r} {database.url} {database.url!r} {vars(database)}"


def test_a_server_that_is_away_is_named_without_the_password() -> None:
    """The error, its causes and their traceback hold no password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = Database(f"postgresql://someone:hidden@127.0.0.1:{port}/name")
    with pytest.raises(StoreUnavailable, match=str(port)) as caught, database.reading():
        raise AssertionError("it was opened")
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "memory"),
        ("sqlite:///file:x.db", "path"),
        ("sqlite:///x.db?timeout=5", "options"),
        ("sqlite:///x%00.db", "NUL"),
        ("sqlite+aiosqlite:///x.db", "aiosqlite"),
        ("mysql://u:hidden@host/name", "mysql"),
        ("postgresql+asyncpg://u:hidden@host/name", "psycopg"),
        ("postgresql://u:hid@den@host/name", "%40"),
        ("postgresql://u:hid@den/x@host/name", "%40"),
        ("postgresql://u:hidden@host:port/name", "postgresql://user"),
        ("hidden", "sqlite:///file.db"),
        ("", "sqlite:///file.db"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url: str, cause: str) -> None:
    """The error says what is wrong or how it should look, and repeats no part of a password."""
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert cause in str(caught.value)
    assert "hid" not in "".join(traceback.format_exception_only(caught.value))


def test_without_psycopg_the_error_names_the_extra() -> None:
    """PostgreSQL is an extra; who lacks it is told the command."""
    result = run_script(
        """
        import sys
        sys.modules["psycopg"] = None
        from tracekit.errors import ConfigurationError
        from tracekit.store import Database
        try:
            Database("postgresql://u:hidden@host/name")
        except ConfigurationError as error:
            print(error)
        """
    )
    assert "pip install 'tracekit[postgres]'" in result.stdout, result.stderr
    assert "hidden" not in result.stdout + result.stderr
