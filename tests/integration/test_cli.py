"""The command line as a whole: its errors are one line, and its exit status means something."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import on, tracekit, url_of
from exports import is_harmless
from trace_rows import write_trace

from tracekit.store import Database

NO_ID = "0" * 32
DAY_US = 86_400 * 1_000_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_trace_that_does_not_exist_is_status_3(database: Database) -> None:
    """An id that nobody has, and one that cannot be."""
    for command in ("show", "export"):
        for name in (NO_ID, "x\x1b[2J"):
            done = on(database, command, name)
            assert (done.status, done.out) == (3, "")
            assert len(done.err.splitlines()) == 1
            assert is_harmless(done.err.removesuffix("\n"))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("sqlite:////no/such/folder/tracekit.db", 4),
        ("postgresql://nobody:secret@127.0.0.1:1/none", 4),
        ("mysql://localhost/x", 2),
        ("not a url", 2),
        ("sqlite://", 2),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["show", NO_ID], ["settings", "get"], ["prune"]])
def test_a_database_that_cannot_be_used_is_one_clear_line(command: list[str], url: str, status: int) -> None:
    """Away is status 4, wrong is status 2; no traceback, no password, and nothing is created."""
    done = tracekit(*command, "-d", url)
    assert (done.status, done.out) == (status, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("tracekit: ")
    assert "secret" not in done.err
    assert not Path("/no").exists()


def test_a_file_that_is_no_database_is_status_4(tmp_path: Path) -> None:
    """Its content is not shown."""
    (tmp_path / "x.db").write_bytes(b"\x1b[2J not a database " * 100)
    done = tracekit("list", "-d", f"sqlite:///{tmp_path / 'x.db'}")
    assert (done.status, len(done.err.splitlines())) == (4, 1)


@pytest.mark.parametrize("arguments", [["lst"], ["list", "--nonsense"], ["list", "--status", "odd"], ["show"]])
def test_wrong_use_is_status_2_and_one_line(arguments: list[str]) -> None:
    """The line says what is wrong."""
    done = tracekit(*arguments)
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)


def test_without_its_libraries_the_command_says_how_to_install_them(tmp_path: Path) -> None:
    """typer and rich are an extra; the recorder works without them."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "tracekit", "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "tracekit[cli]" in done.stderr


def test_the_version_is_told() -> None:
    """That of the installed distribution."""
    assert tracekit("--version").out == f"tracekit {importlib.metadata.version('tracekit')}\n"


def test_the_command_starts_as_a_module() -> None:
    """`python -m tracekit` is the same as `tracekit`, and warns of nothing."""
    command = [sys.executable, "-W", "error", "-m", "tracekit", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == tracekit("--help").out == tracekit().out


def test_a_reader_that_closes_the_pipe_gets_no_traceback(sqlite: Database) -> None:
    """`tracekit export | head -1` ends quietly."""
    trace_id = write_trace(sqlite, [b"data: %d\n\n" % n for n in range(5000)], frames_per_block=256)
    command = f"{sys.executable} -m tracekit export {trace_id} --frames full -d {url_of(sqlite)} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
