"""The admin app behind a real server, with a real recorder and database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, serving
from sqlalchemy import make_url

from tracekit import Recorder
from tracekit_admin import Admin


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an ASGI app until the test ends: `address = serve(app, root_path="/x")`."""
    with ExitStack() as stack:
        yield lambda app, **options: stack.enter_context(serving(app, **options))


@pytest.fixture
def recorder(sqlite_template: Path, sqlite_url: str) -> Iterator[Recorder]:
    """A recorder on SQLite, with an admin token."""
    shutil.copyfile(sqlite_template, str(make_url(sqlite_url).database))
    with recording_into(sqlite_url, admin_token=TOKEN) as recorder:
        yield recorder


@pytest.fixture
def address(recorder: Recorder, serve: Serve) -> str:
    """Where the admin app is served alone."""
    return serve(Admin(recorder))


@pytest.fixture
def admin(address: str) -> Iterator[httpx.Client]:
    """A client with the token as a bearer."""
    with httpx.Client(base_url=address, headers=BEARER, timeout=20) as client:
        yield client


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    """A client that asks for pages and keeps cookies, as a browser does. Nobody is signed in."""
    headers = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    with httpx.Client(base_url=address, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
def stranger(address: str) -> Iterator[httpx.Client]:
    """A client without any credentials."""
    with httpx.Client(base_url=address, timeout=20) as client:
        yield client
