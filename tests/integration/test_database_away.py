"""A PostgreSQL server that goes away and comes back: nothing is lost, nothing is there twice, nobody has to help."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from asgi import END, body, run, start, streams
from chat_events import DONE, event, events
from recorders import body as stored_body
from recorders import event_types, only_trace, recording, traces, written
from sqlalchemy import make_url

from tracekit import TraceMiddleware, hookimpl

SENT = events(200) + DONE
CHAT = streams(start(), *map(body, map(event, range(200))), body(DONE), END)


class _Finished:
    """A plugin that tells when a trace is stored to its end."""

    def __init__(self) -> None:
        self.told = threading.Event()

    @hookimpl
    def tracekit_trace_finished(self) -> None:
        self.told.set()


@contextmanager
def administration(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """A connection to another database of the same server, and the name of this one."""
    parsed = make_url(url).set(drivername="postgresql")
    name = str(parsed.database)
    with psycopg.connect(
        parsed.set(database="postgres").render_as_string(hide_password=False), autocommit=True
    ) as made:
        yield made, name


def cut_connections(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_connections_that_are_cut_between_writes_are_made_anew(postgres_url: str):
    """A restart of the server, a failover, an administrator: the next batch finds its way by itself."""
    with recording(postgres_url) as recorder, administration(postgres_url) as (connection, name):

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(start())
            for number in range(200):
                await send(body(event(number)))
                if number % 50 == 0:
                    assert recorder.flush(10).complete
                    cut_connections(connection, name)
            await send(body(DONE))
            await send(END)

        run(TraceMiddleware(app, recorder))
        trace = only_trace(recorder)
        assert stored_body(recorder, trace.trace_id) == SENT
        assert (trace.end_reason, trace.events_dropped) == ("completed", 0)
        assert event_types(recorder, trace.trace_id).count("trace.finished") == 1


def test_a_database_that_lets_nobody_in_for_a_while(postgres_url: str):
    """What is captured meanwhile waits in memory; when the door is open again it is written without anybody asking."""
    finished = _Finished()
    with recording(postgres_url, plugins=[finished]) as recorder, administration(postgres_url) as (connection, name):
        run(TraceMiddleware(CHAT, recorder))
        written(recorder)
        finished.told.clear()
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cut_connections(connection, name)
        assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        assert not recorder.flush(0.5).complete
        assert recorder.health().status == "failing"
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert finished.told.wait(7)
        assert [stored_body(recorder, trace.trace_id) for trace in traces(recorder)] == [SENT, SENT]
        assert recorder.health().database.problem is None


@pytest.mark.parametrize("table", ["task_traces", "task_trace_events"])
def test_tables_that_somebody_holds(postgres_url: str, table: str):
    """A migration or a backup may lock a table; the chat does not wait for it, and the rows come when it is free."""
    with recording(postgres_url) as recorder:
        url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as holder:
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            assert run(TraceMiddleware(CHAT, recorder)).body == SENT
            assert not recorder.flush(0.3).complete
        trace = only_trace(recorder)
        assert stored_body(recorder, trace.trace_id) == SENT


def test_tables_that_are_gone_for_a_while(postgres_url: str):
    """A table that was renamed by mistake is no fault of the rows: they wait for its return."""
    with recording(postgres_url) as recorder, administration(postgres_url):
        url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE task_trace_events RENAME TO elsewhere")
            assert run(TraceMiddleware(CHAT, recorder)).body == SENT
            assert not recorder.flush(0.3).complete
            connection.execute("ALTER TABLE elsewhere RENAME TO task_trace_events")
        trace = only_trace(recorder)
        assert stored_body(recorder, trace.trace_id) == SENT
        assert recorder.health().drops.refused_events == 0
