"""`tracekit settings`: what is recorded, read and changed while the app runs."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from tracekit.cli.opening import open_database, require_schema
from tracekit.cli.options import AsJson, DatabaseUrl
from tracekit.cli.output import Column, Line, print_lines
from tracekit.config import InitialSettings, SystemSettings, load
from tracekit.documents import iso
from tracekit.errors import InvalidInput
from tracekit.human_units import moment_text
from tracekit.settings_store import SettingFacts, SettingsStore
from tracekit.store import Database
from tracekit.store.schema import ensure

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Read and change what is recorded.")

_PREFIX = "task_trace_"
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_COLUMNS = (
    Column("Setting", whole=True),
    Column("Value"),
    Column("Default", rank=2),
    Column("From", rank=1),
    Column("Changed", rank=3),
    Column("Meaning", rank=4),
)


@app.command()
def get(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these settings.")] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print the settings in force: value, default, where the value is from, and its last change."""
    with open_database(database_url) as database:
        require_schema(database)
        _print(_store(database), [_full(key) for key in keys or ()], as_json=as_json)


@app.command("set")
def set_(
    changes: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="task_trace_enabled=true, or enabled=on")
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change settings, all of them or none; every running worker follows within two seconds."""
    wanted = dict(map(_change, changes))
    with open_database(database_url, may_be_new=True) as database:
        ensure(database)
        store = _store(database)
        store.update(wanted, by=f"command line ({_user()})")
        _print(store, list(wanted), as_json=as_json)


def _store(database: Database) -> SettingsStore:
    initial, _ = load(InitialSettings)
    return SettingsStore(database, initial)


def _print(store: SettingsStore, keys: Sequence[str], *, as_json: bool) -> None:
    facts = [setting for setting in store.describe() if not keys or setting.key in keys]
    print_lines(_COLUMNS, map(_line, facts), as_json=as_json)


def _line(setting: SettingFacts) -> Line:
    value, default = _shown(setting.value), _shown(setting.default)
    changed = "" if setting.updated_at is None else f"{moment_text(setting.updated_at)[:19]} by {setting.updated_by}"
    document = asdict(setting) | {"updated_at": None if setting.updated_at is None else iso(setting.updated_at)}
    return Line(
        document,
        (setting.key, value, default, setting.source, document["updated_at"], setting.updated_by),
        (setting.key, value, default, setting.source, changed, setting.description),
        {0: "bold", 1: "" if setting.value == setting.default else "cyan", 5: "dim"},
    )


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"{text!r}: write KEY=VALUE")
    key = _full(key.strip())
    return key, _typed(key, value.strip())


def _full(key: str) -> str:
    """The setting that a key means; the common beginning may be left out."""
    name = key if key in SystemSettings.model_fields else f"{_PREFIX}{key}"
    if name not in SystemSettings.model_fields:
        raise InvalidInput(f"there is no setting {key!r}; known are {', '.join(SystemSettings.model_fields)}")
    return name


def _typed(key: str, text: str) -> Any:
    """A value of the type that the setting has; what cannot be is left to its validation to refuse."""
    kind = SystemSettings.model_fields[key].annotation
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    return int(text) if kind is int and text.removeprefix("-").isdecimal() and len(text) < 20 else text


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        return "unknown"
