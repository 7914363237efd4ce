"""A third party's plugin: written as plugins/README.md says, installed by pip, loaded and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE / "example_plugin"
PAGE = HERE.parents[1] / "plugins" / "README.md"
BLOCKS = re.findall(r"^```(\w+)$\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
STREAM = b"event: word\ndata: Hello\n\nevent: bye\ndata: .\n\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which building may leave what it likes."""
    return Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("project") / "tracekit-words"))


@pytest.fixture(scope="module")
def installed(project: Path) -> Path:
    """A folder into which pip has installed it."""
    target = project.parent / "installed"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    done = run(["-m", "pip", "install", *options, "--target", str(target), str(project)], project)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def run(arguments: list[str], folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    """Python with more places to import from."""
    places = os.pathsep.join([*map(str, path), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": places, "TRACEKIT_PLUGINS_OFF": ""},
    )


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("python", "tracekit_words.py"),
        ("python", "tests/test_tracekit_words.py"),
        ("toml", "pyproject.toml"),
    ],
)
def test_the_page_shows_the_files_of_the_project(language: str, name: str) -> None:
    """Whoever copies the page has the project that is tested here."""
    assert (language, (PROJECT / name).read_text(encoding="utf-8")) in BLOCKS


def test_the_plugin_has_twenty_lines() -> None:
    """As the page promises; empty lines are not counted."""
    lines = (PROJECT / "tracekit_words.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line]) <= 20


def test_an_installed_plugin_is_loaded(installed: Path, tmp_path: Path) -> None:
    """It is listed under the name of its entry point, with its package, version and hooks."""
    done = run(["-m", "tracekit", "plugins", "--json"], tmp_path, installed)
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    (words,) = [plugin for plugin in listed if plugin["name"] == "words"]
    assert (words["origin"], words["version"], words["error"]) == ("tracekit-words", "1.0", None)
    assert words["hooks"] == ["tracekit_stream_decoder"]
    assert done.returncode == 0, done.stderr


def test_an_installed_plugin_is_used(installed: Path, tmp_path: Path) -> None:
    """The same stream is read with it, and is of an unknown format without."""
    (tmp_path / "words.sse").write_bytes(STREAM)
    decode = ["-m", "tracekit", "decode", "words.sse", "--json"]
    formats = [json.loads(run(decode, tmp_path, *path).stdout)["wire_format"] for path in ((installed,), ())]
    assert formats[0] == "words" != formats[1]


def test_its_own_tests_pass(project: Path, installed: Path) -> None:
    """As its author runs them."""
    done = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"], project, installed)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_page_s_test_of_an_app_passes(tmp_path: Path) -> None:
    """With the fixture of `tracekit.testing_plugin`, as the page says."""
    (example,) = [code for language, code in BLOCKS if language == "python" and "TraceMiddleware" in code]
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tracekit.testing_plugin"]\n', encoding="utf-8")
    (tmp_path / "test_app.py").write_text(example, encoding="utf-8")
    done = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)], tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
