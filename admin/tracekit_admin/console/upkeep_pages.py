"""The settings with their history, and the health of the recorder."""

from __future__ import annotations

from typing import Any, get_args

from pydantic.fields import FieldInfo
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from tracekit.alerts import ADVICE
from tracekit.config import SystemSettings
from tracekit.errors import TracekitError
from tracekit_admin.console.screen import shown
from tracekit_admin.operations import Call, Nothing
from tracekit_admin.queries import NoQuery

__all__ = ["health_page", "settings_page"]

_CHANGES = 20


def settings_page(call: Call[NoQuery, Nothing]) -> Response:
    """Every setting with its value, where that comes from, and its last change; what is stored; who changed what."""
    settings = call.recorder.settings
    facts = settings.describe()
    values = {
        "version": settings.version,
        "facts": [(fact, _field(fact.key)) for fact in facts],
        "audit": settings.audit(_CHANGES),
        "counts": call.recorder.store.counts(),
    }
    return shown(call, "settings.html", values)


def _field(key: str) -> dict[str, Any]:
    """What kind of field a setting needs: its choices, or its least and greatest number."""
    field = SystemSettings.model_fields[key]
    if field.annotation is bool:
        return {"kind": "switch"}
    if choices := get_args(field.annotation):
        return {"kind": "choice", "choices": choices}
    return {"kind": "number", "least": _bound(field, "ge"), "most": _bound(field, "le")}


def _bound(field: FieldInfo, name: str) -> int | None:
    return next((getattr(part, name) for part in field.metadata if hasattr(part, name)), None)


def health_page(call: Call[NoQuery, Nothing]) -> Response:
    """Alerts, the database, the writer, the process, what was lost, plugins and their faults, processes and their
    heartbeats. It is shown also while the database cannot be used."""
    try:
        processes = call.recorder.store.processes()
    except (TracekitError, SQLAlchemyError):
        processes = None
    return shown(call, "health.html", {"processes": processes, "advice": ADVICE})
