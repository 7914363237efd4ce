"""The one way to the database: transactions, limits, and what "not now" is."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from key_rows import keys, opened, stored_keys, write_key
from python_processes import run_script
from sqlalchemy.exc import IntegrityError

from tracekit.errors import StoreUnavailable
from tracekit.store import Database


def test_what_a_writing_transaction_wrote_is_there_afterwards(database: Database) -> None:
    """The end of the block commits."""
    with database.writing() as connection:
        write_key(connection, "a")
    assert stored_keys(database) == ["a"]


def test_an_error_in_the_block_undoes_all_of_it(database: Database) -> None:
    """Any exception rolls back, and passes unchanged."""

    def write_and_fail() -> None:
        with database.writing() as connection:
            write_key(connection, "a")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        write_and_fail()
    assert stored_keys(database) == []


def test_a_row_that_breaks_a_constraint_is_a_data_error(database: Database) -> None:
    """A refused row is not taken for a database that is away, and the database can be used at once."""
    with database.writing() as connection:
        write_key(connection, "a")
    with pytest.raises(IntegrityError), database.writing() as connection:
        write_key(connection, "a")
    assert stored_keys(database) == ["a"]


def test_a_reading_transaction_sees_one_state_throughout(database: Database) -> None:
    """What another thread commits meanwhile does not show, on either database."""
    with database.reading() as reading:
        before = keys(reading)
        with database.writing() as writing:
            write_key(writing, "new")
        assert keys(reading) == before == []
    assert stored_keys(database) == ["new"]


def test_a_reading_transaction_cannot_write(database: Database) -> None:
    """A write by mistake fails instead of competing with the writer."""
    with pytest.raises(StoreUnavailable, match=r"(?i)read-?only"), database.reading() as connection:
        write_key(connection, "a")


def test_many_threads_write_through_one_connection(database: Database) -> None:
    """Threads wait for one another; none of them fails and no write is lost."""

    def increment(_: int) -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE system_settings SET updated_at = updated_at + 1")

    with database.writing() as connection:
        write_key(connection, "counter")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(80)))
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT updated_at FROM system_settings").scalar() == 80


def test_the_size_grows_with_what_is_written(database: Database) -> None:
    """The size counts indexes and the write-ahead log, so it can be compared with the disk."""
    before = database.size_bytes()
    with database.writing() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO system_settings VALUES ('a', '{os.urandom(100_000).hex()}', 0, 'test')",
        )
    assert database.size_bytes() >= before + 100_000


def test_tables_that_are_not_there_are_something_to_wait_for(database: Database) -> None:
    """A database that was replaced by an empty one refuses no rows for good."""
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE system_settings")
    with pytest.raises(StoreUnavailable, match="system_settings"), database.writing() as connection:
        write_key(connection, "a")


def test_a_forked_child_leaves_the_parents_connections_alone(database_url: str) -> None:
    """Parent and child both go on writing and reading after a fork, each through connections of its own."""
    result = run_script(
        """
        import os, sys
        from tracekit.store import Database
        database = Database(sys.argv[1])
        def write(key):
            with database.writing() as connection:
                connection.exec_driver_sql(f"INSERT INTO system_settings VALUES ('{key}', '1', 0, 'test')")
        def keys():
            with database.reading() as connection:
                return sorted(connection.exec_driver_sql("SELECT key FROM system_settings").scalars())
        write("before"); keys()
        child = os.fork()
        if child == 0:
            database.after_fork()
            write("child")
            ok = "child" in keys()
            database.close()
            os._exit(0 if ok else 1)
        write("parent")
        assert os.waitpid(child, 0)[1] == 0
        write("after")
        assert keys() == ["after", "before", "child", "parent"], keys()
        database.close()
        """,
        database_url,
    )
    assert result.returncode == 0, result.stderr


def test_processes_that_write_at_once_wait_for_one_another(database_url: str) -> None:
    """Three processes insert through their own connections; no insert fails."""
    script = """
        import sys
        from tracekit.store import Database
        database = Database(sys.argv[1])
        for i in range(25):
            with database.writing() as connection:
                connection.exec_driver_sql(f"INSERT INTO system_settings VALUES ('{sys.argv[2]}-{i}', '1', 0, 'test')")
        database.close()
        """
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda name: run_script(script, database_url, name), "abc"))
    assert [result.stderr for result in results] == [""] * 3
    with opened(database_url) as database:
        assert len(stored_keys(database)) == 75
