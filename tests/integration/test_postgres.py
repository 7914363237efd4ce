"""What holds for PostgreSQL alone: lost connections, few connections, poolers, COPY."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from key_rows import opened, stored_keys, write_key
from sqlalchemy.exc import DBAPIError

from tracekit.errors import StoreUnavailable
from tracekit.store import Database


def test_a_lost_connection_is_not_available_and_later_is(postgres_url: str) -> None:
    """The server ends our session in the middle of a transaction; nothing of it is there, and the next one works."""

    def lose_the_connection(database: Database) -> None:
        with database.writing() as connection, database.holding() as other:
            write_key(connection, "lost")
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            write_key(connection, "more")

    with opened(postgres_url) as database:
        with pytest.raises(StoreUnavailable):
            lose_the_connection(database)
        with database.writing() as connection:
            write_key(connection, "kept")
        assert stored_keys(database) == ["kept"]


def test_connections_that_died_in_the_pool_are_not_noticed(postgres_url: str) -> None:
    """After a restart of the server the first transaction works already."""
    with opened(postgres_url) as database:
        with database.writing() as connection:
            write_key(connection, "a")
        assert stored_keys(database) == ["a"]
        with psycopg.connect(_plain(postgres_url), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with database.writing() as connection:
            write_key(connection, "b")
        assert stored_keys(database) == ["a", "b"]


def test_a_process_has_at_most_five_connections(postgres_url: str) -> None:
    """One to write and four to read, however many threads ask."""
    with opened(postgres_url) as database:

        def ask(number: int) -> int:
            with database.writing() if number % 4 == 0 else database.reading() as connection:
                count = connection.exec_driver_sql(
                    "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.02)"
                    " WHERE datname = current_database() AND application_name = 'tracekit'"
                ).scalar_one()
                return int(count)

        with ThreadPoolExecutor(20) as pool:
            counts = list(pool.map(ask, range(60)))
    assert max(counts) == 5


def test_a_pooler_in_transaction_mode_is_given_nothing_that_it_refuses(postgres_url: str) -> None:
    """Limits are set within the transaction: no start-up options, no prepared statements, nothing left behind."""
    with opened(postgres_url) as database:
        for _ in range(10):
            with database.writing() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)
                assert driver.info.options == ""
                assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "30s"
                assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar() == 0
        assert driver.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_copy_is_part_of_the_transaction(postgres_url: str) -> None:
    """Rows that the driver's COPY wrote are rolled back with the rest."""
    with opened(postgres_url) as database:
        for fails in (True, False):
            try:
                with database.writing() as connection:
                    driver = connection.connection.driver_connection
                    assert isinstance(driver, psycopg.Connection)
                    with driver.cursor().copy("COPY system_settings FROM STDIN") as copy:
                        copy.write_row(("copied", "1", 0, "test"))
                    if fails:
                        raise KeyError
            except KeyError:
                assert stored_keys(database) == []
        assert stored_keys(database) == ["copied"]


def test_a_row_too_large_for_an_index_is_a_data_error(postgres_url: str) -> None:
    """PostgreSQL counts it among the operational errors, but waiting would not help that row."""
    with opened(postgres_url) as database:
        key = os.urandom(5000).hex()
        with pytest.raises(DBAPIError, match="index row"), database.writing() as connection:
            write_key(connection, key)


def test_a_held_transaction_keeps_no_snapshot(postgres_url: str) -> None:
    """It may stay open for hours without keeping deleted rows from being cleaned up."""
    with opened(postgres_url) as database, database.holding() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        assert connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(7)").scalar() is True
        with database.reading() as other:
            assert other.exec_driver_sql("SELECT pg_try_advisory_xact_lock(7)").scalar() is False
            horizon = other.exec_driver_sql(f"SELECT backend_xmin FROM pg_stat_activity WHERE pid = {pid}").scalar_one()
        assert horizon is None


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
