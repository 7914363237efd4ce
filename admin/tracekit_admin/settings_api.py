"""The operations on runtime settings."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from tracekit.documents import iso
from tracekit.errors import InvalidInput
from tracekit.settings_store import AuditEntry, SettingFacts, SettingsStore
from tracekit_admin.documents import json_response
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.problems import Problem
from tracekit_admin.queries import NoQuery, PageQuery, Whole
from tracekit_admin.schemas import AuditPage, Settings, SettingsChanges

__all__ = ["OPERATIONS"]

_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


class AuditQuery(PageQuery):
    """Which changes are listed."""

    limit: Whole = Field(50, ge=1, le=200)


def get_settings(call: Call[NoQuery, Nothing]) -> Response:
    """Each setting with its value, its default, where the value comes from, and its last change."""
    return _settings_response(call.recorder.settings)


def change_settings(call: Call[NoQuery, BaseModel]) -> Response:
    """Change some settings or all, or none where one of the changes is wrong. In force everywhere within 2 seconds."""
    settings = call.recorder.settings
    settings.update(
        call.body.model_dump(exclude_unset=True),
        by=call.access.name,
        expected_version=_expected_version(call.request.headers.get("if-match"), settings),
    )
    return _settings_response(settings)


def list_changes(call: Call[AuditQuery, Nothing]) -> Response:
    """Who changed what, and when: newest first."""
    query = call.query
    entries = call.recorder.settings.audit(query.limit + 1, _before_id(query.cursor))
    items = entries[: query.limit]
    cursor = str(items[-1].id) if len(entries) > len(items) else None
    return json_response({"items": [*map(_entry, items)], "next_cursor": cursor})


def _settings_response(settings: SettingsStore) -> Response:
    # The version is taken before the values: one that is too old only makes a change be refused.
    settings.refresh()
    version = settings.version
    facts = {fact.key: _facts(fact) for fact in settings.describe()}
    return json_response({"version": version, "settings": facts}, headers={"ETag": f'"{version}"'})


def _facts(fact: SettingFacts) -> dict[str, Any]:
    document = asdict(fact)
    del document["key"]
    return {**document, "updated_at": None if fact.updated_at is None else iso(fact.updated_at)}


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {**asdict(entry), "changed_at": iso(entry.changed_at)}


def _expected_version(if_match: str | None, settings: SettingsStore) -> int | None:
    """The version that `If-Match` demands (RFC 9110, section 13.1.1). Weak tags never match.

    Raises:
        Problem: 412, no tag in it can be that of the settings.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    versions = [int(tag) for weak, tag in _ENTITY_TAG.findall(if_match) if not weak and re.fullmatch(r"\d{1,18}", tag)]
    if not versions:
        raise Problem(412, "If-Match names no version of the settings; take the ETag of their GET.")
    settings.refresh()
    return settings.version if settings.version in versions else versions[0]


def _before_id(cursor: str | None) -> int | None:
    if cursor is not None and not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise InvalidInput("this is no cursor of the list of changes", field="cursor")
    return None if cursor is None else int(cursor)


_SETTINGS = "/api/settings/system"
_ANSWER = Answer(200, "The settings.", Settings, headers=("ETag",))

OPERATIONS = (
    Operation(
        method="GET",
        path=_SETTINGS,
        answer=get_settings,
        summary="Read the settings",
        tag="settings",
        answers=(_ANSWER,),
        errors=(503,),
    ),
    Operation(
        method="PUT",
        path=_SETTINGS,
        answer=change_settings,
        summary="Change settings",
        tag="settings",
        answers=(_ANSWER,),
        errors=(412, 503),
        body=SettingsChanges,
        request_headers=("If-Match",),
    ),
    Operation(
        method="GET",
        path=f"{_SETTINGS}/audit",
        answer=list_changes,
        summary="Changes of the settings",
        tag="settings",
        answers=(Answer(200, "Changes.", AuditPage),),
        errors=(503,),
        query=AuditQuery,
    ),
)
