"""Fixtures for pytest. Load them with `pytest_plugins = ["tracekit.testing_plugin"]` in a `conftest.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracekit.recorder import Recorder

__all__ = ["recorder"]

_EVERYTHING = {
    "task_trace_enabled": True,
    "task_trace_default_on": True,
    "task_trace_admin_only": False,
    "task_trace_env": "both",
    "task_trace_flush_interval_ms": 20,
}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder that records every stream into a SQLite file of this test, and is ready.

    Mount `TraceMiddleware(app, recorder)`, send requests, call `recorder.flush()`, and ask `recorder.store`.
    """
    made = Recorder(f"sqlite:///{tmp_path / 'tracekit.db'}", settings=_EVERYTHING)
    try:
        # In a thread of its own: the test may have an event loop, which is not to be touched.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, made.started()).result()
        yield made
    finally:
        made.shutdown(5)
