"""What is shipped: every package of the tree is in the wheel, with its data, under one version."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import tracekit

ROOT = Path(__file__).parents[2]
SHELVES = ("admin", "plugins", "migrations")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel_names(built: Path) -> frozenset[str]:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        return frozenset(wheel.namelist())


def import_roots() -> list[Path]:
    """Every folder of the tree that is an import root."""
    return [ROOT / "tracekit", *(path.parent for shelf in SHELVES for path in (ROOT / shelf).glob("*/__init__.py"))]


def plugin_names() -> set[str]:
    return {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}


def shipped_files() -> set[str]:
    """Every file of every import root, as the wheel should name it."""
    return {
        str(path.relative_to(root.parent))
        for root in import_roots()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_import_root_is_listed_for_the_wheel(project: dict[str, Any]) -> None:
    """A package that is not listed works in a checkout and is missing after an installation."""
    listed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(listed) == sorted(str(root.relative_to(ROOT)) for root in import_roots())


def test_every_bundled_plugin_has_an_entry_point(project: dict[str, Any]) -> None:
    """Bundled plugins are found as third parties' are: through the entry-point group, under the folder's name."""
    points = dict(project["project"]["entry-points"]["tracekit"])
    assert points.pop("admin") == "tracekit_admin.plugin"
    assert points == {name.removeprefix("tracekit_"): name for name in plugin_names()}


def test_the_installed_entry_points_are_those_of_the_project(project: dict[str, Any]) -> None:
    """What pip installed is what the project says, and each entry point can be imported."""
    mine = importlib.metadata.distribution("tracekit").entry_points.select(group="tracekit")
    assert {point.name: point.value for point in mine} == project["project"]["entry-points"]["tracekit"]
    for point in mine:
        assert importlib.import_module(point.value)


def test_shelves_are_no_packages() -> None:
    """`admin`, `plugins` and `migrations` are shelves, so that nothing can be imported under two names."""
    assert [shelf for shelf in SHELVES if (ROOT / shelf / "__init__.py").exists()] == []


def test_every_import_root_is_typed() -> None:
    """Type checkers believe the annotations of a package only where it holds py.typed."""
    assert [root.name for root in import_roots() if not (root / "py.typed").exists()] == []


def test_the_wheel_holds_every_file_of_every_package(wheel_names: frozenset[str]) -> None:
    """Templates, static files, migrations and markers are shipped, and nothing else but the metadata is."""
    assert {name for name in wheel_names if ".dist-info/" not in name} == shipped_files()
    for suffix in ("/py.typed", ".css", ".js", ".html", "/script.py.mako"):
        assert any(name.endswith(suffix) for name in wheel_names), suffix
    assert any("/versions/0001_" in name for name in wheel_names)


def test_the_wheel_holds_the_licence_and_the_command(wheel_names: frozenset[str]) -> None:
    """The licence travels with the package, and so does the `tracekit` command."""
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names)
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)


def test_the_sdist_holds_what_a_packager_needs(built: Path) -> None:
    """From the sdist alone the wheel can be built (it was) and the docs can be read."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "docs/install.md"} <= names


def test_the_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    """The project file, the installed metadata, the package and the newest entry of the changelog agree."""
    version = project["project"]["version"]
    assert importlib.metadata.version("tracekit") == version
    assert tracekit.__version__ == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
