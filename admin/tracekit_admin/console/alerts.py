"""The alerts that the console shows: of this process as they stand, of the others as of their last heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from tracekit.alerts import Alert
from tracekit.errors import TracekitError
from tracekit.health import Health
from tracekit.store.question_records import Owner

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["RaisedAlert", "by_rule", "raised_alerts"]

RaisedAlert = tuple[Alert, Owner | None]
"""An alert, and the process that raises it; None for the one that answers."""


def raised_alerts(recorder: Recorder, health: Health) -> Sequence[RaisedAlert]:
    """All of them. While the database cannot be used nothing is known of other processes."""
    own: list[RaisedAlert] = [(alert, None) for alert in health.alerts]
    try:
        told = recorder.store.alerts()
    except (TracekitError, SQLAlchemyError):
        return own
    return own + [(found.alert, found.owner) for found in told if found.owner.process_id != recorder.process_id]


def by_rule(raised: Sequence[RaisedAlert]) -> dict[str, Alert]:
    """One alert of each rule: what eight workers say of one disk is said once."""
    return {alert.rule: alert for alert, _ in reversed(raised)}
