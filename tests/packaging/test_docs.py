"""The documents say what the code does: every name that a reader may look for stands where it is looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tracekit import Recorder, hookspecs
from tracekit.cli import run
from tracekit.config import Options, SystemSettings
from tracekit.types import EndReason, EventType, TraceStatus
from tracekit_admin import Admin

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").glob("*.md")])
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def help_page(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """The help of a command, without frames."""
    assert run([*command, "--help"]) == 0
    return re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out)


def commands(capsys: pytest.CaptureFixture[str], *above: str) -> Iterator[tuple[str, set[str]]]:
    """Every command below a group of commands: its full name, and its long options."""
    options, *names = re.split(r"^ *Commands:? *$", help_page(capsys, *above), maxsplit=1, flags=re.MULTILINE)
    if not names:
        yield " ".join(above), set(re.findall(r"^ {1,8}(?:-\w,? +)?(--[a-z][a-z-]+)", options, re.M)) - {"--help"}
    for name in re.findall(r"^ {1,3}([a-z][\w-]*)  ", "".join(names), re.MULTILINE):
        yield from commands(capsys, *above, name)


def anchors(text: str) -> set[str]:
    """The fragments that headings give, as code hosts make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize("key", list(SystemSettings.model_fields))
def test_every_runtime_setting_is_documented(key: str) -> None:
    """docs/settings.md names each key with the default that the code has."""
    row = next((line for line in page("settings.md").splitlines() if line.startswith(f"| `{key}` |")), "")
    default = SystemSettings.model_fields[key].default
    assert f"`{str(default).lower() if isinstance(default, bool) else default}`" in row


@pytest.mark.parametrize("option", list(Options.model_fields))
def test_every_deploy_time_option_is_documented(option: str) -> None:
    """docs/settings.md names the environment variable of each option."""
    assert f"`TRACEKIT_{option.upper()}`" in page("settings.md")


@pytest.mark.parametrize("hook", [name for name in hookspecs.__all__ if name.startswith("tracekit_")])
def test_every_hook_is_documented(hook: str) -> None:
    """docs/hooks.md has a section for each hook."""
    assert f"`{hook}`" in page("hooks.md")


@pytest.mark.parametrize("plugin", sorted(entry_points(group=hookspecs.PROJECT).names))
def test_every_bundled_plugin_is_documented(plugin: str) -> None:
    """docs/hooks.md says what each installed plugin does."""
    assert f"`{plugin}`" in page("hooks.md")


@pytest.mark.parametrize("word", [*TraceStatus, *EndReason, *EventType])
def test_every_word_of_a_trace_is_explained(word: str) -> None:
    """docs/capture.md explains each status, each ending and each event type."""
    assert f"`{word}`" in page("capture.md")


def test_every_operation_of_the_api_is_documented(tmp_path: Path) -> None:
    """docs/api.md names each method of each path, and the parameters of the query."""
    recorder = Recorder(f"sqlite:///{tmp_path / 'docs.db'}", admin_token="a-token-for-the-docs")
    for operation in Admin(recorder).api.operations:
        assert f"`{operation.method} {operation.path}`" in page("api.md")
        if operation.tag != "pages":
            names = [field.alias or name for name, field in operation.query.model_fields.items()]
            assert [name for name in names if f"`{name}`" not in page("api.md") + page("export.md")] == []
    recorder.shutdown()


def test_every_command_and_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/cli.md has a section for each command, and names its options there, and no others."""
    sections = dict(re.findall(r"^## `tracekit ([a-z ]+?)`$(.*?)(?=^## |\Z)", page("cli.md"), re.M | re.S))
    found = dict(commands(capsys))
    assert found.keys() == sections.keys()
    for name, options in found.items():
        assert set(re.findall(r"`(--[a-z][a-z-]+)", sections[name])) == options, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    """Nobody is sent to a target that is not in the Makefile."""
    blocks = "\n".join(re.findall(r"`[^`\n]+`|^```.*?^```", path.read_text(encoding="utf-8"), re.M | re.S))
    assert set(_MAKE.findall(blocks)) <= make_targets()


def test_every_make_target_is_documented() -> None:
    """CONTRIBUTING.md names each target."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {target for target in make_targets() if f"`make {target}`" not in text} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_documents_leads_somewhere(path: Path) -> None:
    """Files, pictures and headings that a page links to exist."""
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, fragment = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if fragment:
            assert fragment in anchors(linked.read_text(encoding="utf-8")), target


def test_the_tests_that_hold_the_promises_are_there() -> None:
    """docs/reliability.md names files of the suite; a name without a folder is in the folder of the one before it."""
    folder, named = "", re.findall(r"`((?:\w+/)?test_[\w*]+\.py)`", page("reliability.md"))
    assert len(named) > 20
    for name in named:
        folder = name.rpartition("/")[0] or folder
        found = list((ROOT / "tests" / folder).glob(name.rpartition("/")[2]))
        assert found, name
