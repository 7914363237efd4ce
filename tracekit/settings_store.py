"""The runtime settings: kept in the database, cached in memory, seen by every process within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from tracekit import json_text
from tracekit.config import InitialSettings, SystemSettings, first_fault
from tracekit.errors import Conflict, InvalidInput, InvalidSettings, StoreUnavailable
from tracekit.models import SystemSetting, SystemSettingAudit
from tracekit.store.engine import Database

__all__ = ["AuditEntry", "SettingFacts", "SettingsStore"]

_SETTINGS = SystemSetting.metadata.tables["system_settings"]
_AUDIT = SystemSettingAudit.metadata.tables["system_settings_audit"]

# Longest name of who changed a setting, in characters.
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """One setting with all that an admin wants to know of it. `updated_at` is in microseconds UTC."""

    key: str
    value: Any
    default: Any
    source: Literal["default", "environment", "database"]
    description: str
    updated_at: int | None
    updated_by: str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of one setting. `changed_at` is in microseconds UTC."""

    id: int
    key: str
    old_value: Any
    new_value: Any
    changed_at: int
    changed_by: str


class _Stored(NamedTuple):
    """What the database holds: a row for each setting that was ever changed."""

    version: int
    rows: Mapping[str, Row[Any]]


class SettingsStore:
    """The runtime settings of one process.

    It takes no lock, so any thread may read `current` at any time, and a forked child goes on with what it has.
    `on_change` is told the old and the new settings by the thread that saw them change.
    """

    def __init__(
        self,
        database: Database,
        initial: InitialSettings,
        *,
        on_change: Callable[[SystemSettings, SystemSettings], None] | None = None,
    ) -> None:
        self._database = database
        self._initial = SystemSettings(**{key: getattr(initial, key) for key in SystemSettings.model_fields})
        self._given = frozenset(initial.model_fields_set)
        self._on_change = on_change
        self.current = self._initial
        """The settings in force: the last good ones, while the database cannot be read."""
        self.version = 0
        """Another number after every change of any setting."""
        self.loaded = False
        """The database was read at least once."""
        self.problem: str | None = None
        """Why the database's settings, or one of them, are not in force."""

    def refresh(self) -> None:
        """Follow what other processes changed. Costs one small query while nothing did.

        Raises:
            StoreUnavailable: the database cannot be read; the last good values stay in force.
        """
        try:
            with self._database.reading() as connection:
                if self.loaded and _version(connection) == self.version:
                    return
                stored = _stored(connection)
        except (StoreUnavailable, SQLAlchemyError) as error:
            self.problem = str(error)
            raise
        self._adopt(stored)

    def describe(self) -> list[SettingFacts]:
        """Every setting with its value, where that comes from, and its last change.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        with self._database.reading() as connection:
            stored = _stored(connection)
        settings = self._adopt(stored)
        return [self._facts(key, getattr(settings, key), stored.rows.get(key)) for key in SystemSettings.model_fields]

    def update(self, changes: Mapping[str, Any], *, by: str, expected_version: int | None = None) -> SystemSettings:
        """Change some settings, all of them or none, and note who did it.

        Changes of different settings at the same time both hold. A value that is in force already leaves no trace.

        Raises:
            InvalidSettings: a name is unknown, or a value of the wrong type or out of range; `faults` names each.
            Conflict: something was changed since `expected_version`.
            StoreUnavailable: the database cannot be written now.
        """
        _refuse_invalid(self._initial, changes)
        with self._database.writing() as connection:
            self._database.lock_table(connection, _SETTINGS.name)
            stored = _stored(connection)
            if expected_version not in (None, stored.version):
                raise Conflict(f"the settings have been changed meanwhile: their version is {stored.version}")
            before, broken = self._merged(stored)
            for key, value in changes.items():
                old = None if key in broken else getattr(before, key)
                if value != old:
                    _write(connection, key, old, value, by)
            stored = _stored(connection)
        return self._adopt(stored)

    def audit(self, limit: int = 50, before_id: int | None = None) -> list[AuditEntry]:
        """The latest changes, newest first; those before the entry `before_id`, if it is given.

        Raises:
            InvalidInput: `limit` is not within 1 to 500.
            StoreUnavailable: the database cannot be read now.
        """
        if not 1 <= limit <= 500:
            raise InvalidInput("limit: between 1 and 500", field="limit")
        statement = select(_AUDIT).order_by(_AUDIT.c.id.desc()).limit(limit)
        if before_id is not None:
            statement = statement.where(_AUDIT.c.id < before_id)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [
            AuditEntry(
                row.id, row.key, _decoded(row.old_value), _decoded(row.new_value), row.changed_at, row.changed_by
            )
            for row in rows
        ]

    def _adopt(self, stored: _Stored) -> SystemSettings:
        old = self.current
        new, broken = self._merged(stored)
        # If an older reading should overtake a newer one here, its version is the wrong one, and the next refresh
        # reads again.
        self.current, self.version, self.loaded = new, stored.version, True
        self.problem = "; ".join(f"{key}: {fault}" for key, fault in broken.items()) or None
        if old != new and self._on_change is not None:
            self._on_change(old, new)
        return new

    def _merged(self, stored: _Stored) -> tuple[SystemSettings, dict[str, str]]:
        """The first values, and over them the stored ones. Of a stored value that cannot be, the last good one stays.

        Keys that this version does not know are a newer version's, and left alone.
        """
        values, broken = self._initial.model_dump(), {}
        for key in SystemSettings.model_fields.keys() & stored.rows.keys():
            try:
                value = json_text.decode(stored.rows[key].value)
                values[key] = getattr(self._initial.changed({key: value}), key)
            except ValidationError as error:
                broken[key] = f"the stored value is not used: {first_fault(error)}"
            except ValueError as error:
                broken[key] = f"the stored value is not used: {error}"
        values.update({key: getattr(self.current, key) for key in broken})
        return SystemSettings(**values), broken

    def _facts(self, key: str, value: Any, row: Row[Any] | None) -> SettingFacts:
        field = SystemSettings.model_fields[key]
        return SettingFacts(
            key=key,
            value=value,
            default=field.default,
            source="database" if row is not None else "environment" if key in self._given else "default",
            description=field.description or "",
            updated_at=None if row is None else row.updated_at,
            updated_by=None if row is None else row.updated_by,
        )


def _refuse_invalid(settings: SystemSettings, changes: Any) -> None:
    if not isinstance(changes, Mapping):
        raise InvalidSettings({"": "an object with settings was expected"})
    known = SystemSettings.model_fields.keys() & changes.keys()
    faults = {_storable(str(key)): "there is no such setting" for key in changes if key not in known}
    try:
        settings.changed({key: changes[key] for key in known})
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        faults.update({str(fault["loc"][0]): fault["msg"] for fault in errors})
    if faults:
        raise InvalidSettings(faults)


def _version(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(_AUDIT.c.id), 0))).scalar_one())


def _stored(connection: Connection) -> _Stored:
    version = _version(connection)
    return _Stored(version, {row.key: row for row in connection.execute(select(_SETTINGS))})


def _write(connection: Connection, key: str, old: Any, new: Any, by: str) -> None:
    now, by, text = time.time_ns() // 1000, _storable(by), json_text.encode(new)
    values = {"value": text, "updated_at": now, "updated_by": by}
    if not connection.execute(update(_SETTINGS).where(_SETTINGS.c.key == key).values(values)).rowcount:
        connection.execute(insert(_SETTINGS).values(key=key, **values))
    change = {"key": key, "old_value": json_text.encode(old), "new_value": text, "changed_at": now, "changed_by": by}
    connection.execute(insert(_AUDIT).values(change))


def _storable(text: str) -> str:
    """A text as both databases take it: PostgreSQL's text has no NUL, and neither has lone surrogates."""
    return text[:_LONGEST_NAME].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        key=row.key,
        old_value=_decoded(row.old_value),
        new_value=_decoded(row.new_value),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )


def _decoded(text: str | None) -> Any:
    """A value of the audit trail, or its text where that is no JSON."""
    if text is None:
        return None
    try:
        return json_text.decode(text)
    except ValueError:
        return text
