"""What `import tracekit` loads: each name loads what it needs, when it is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tracekit

HEAVY = {"sqlalchemy", "sqlmodel", "alembic", "jinja2", "pydantic_settings", "rich", "typer", "zstandard"}


def loaded_by(statement: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import tracekit",
        "from tracekit import span, tool, tool_call, current_trace, child_environment, hookimpl, Actor",
        "from tracekit import TraceMiddleware, TraceIdFilter, TracekitError, trace_headers",
    ],
)
def test_no_database_layer_is_loaded_before_there_is_a_recorder(statement: str) -> None:
    """A script that only marks its steps starts as fast as without."""
    assert not loaded_by(statement) & HEAVY


@pytest.mark.parametrize("name", tracekit.__all__)
def test_every_name_is_there_and_is_listed(name: str) -> None:
    """Also those that are not loaded yet."""
    assert getattr(tracekit, name) is not None
    assert name in dir(tracekit)


def test_a_name_that_is_not_there_is_an_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = tracekit.nothing_of_the_kind  # type: ignore[attr-defined]
