"""Alerts as JSON, posted to the addresses of an admin's choice."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache

from tracekit import json_text
from tracekit.alerts import Alert
from tracekit.hookspecs import hookimpl
from tracekit_webhook.sender import Sender
from tracekit_webhook.targets import ALLOWED, URLS, Targets

__all__ = ["Webhook", "tracekit_alert", "tracekit_configuration_problems"]


class Webhook:
    """The plugin, configured in code: `Recorder(plugins=[Webhook(urls=[...], allowed_hosts=[...])])`."""

    def __init__(self, urls: Iterable[str], allowed_hosts: Iterable[str]) -> None:
        self.targets = Targets.of(urls, allowed_hosts)
        self.sender = Sender(self.targets.urls)

    @classmethod
    def of_environment(cls) -> Webhook:
        """As `TRACEKIT_WEBHOOK_URLS` and `TRACEKIT_WEBHOOK_ALLOWED_HOSTS` want it, parted by commas or spaces."""
        return cls(*(os.environ.get(name, "").replace(",", " ").split() for name in (URLS, ALLOWED)))

    @hookimpl
    def tracekit_alert(self, alert: Alert) -> None:
        """Posts an alert when it is raised, and when it is over."""
        self.sender.send(json_text.encode_bytes(_document(alert)))

    @hookimpl
    def tracekit_configuration_problems(self) -> Sequence[str] | None:
        """Names the hosts that are not allowed."""
        return self.targets.problems or None


def _document(alert: Alert) -> dict[str, object]:
    return {
        "state": "raised" if alert.cleared_at is None else "over",
        "rule": alert.rule,
        "title": alert.title,
        "detail": alert.detail,
        "raised_at": _moment(alert.raised_at),
        "cleared_at": None if alert.cleared_at is None else _moment(alert.cleared_at),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="milliseconds")


@cache
def _configured() -> Webhook:
    return Webhook.of_environment()


@hookimpl
def tracekit_alert(alert: Alert) -> None:
    """Posts an alert when it is raised, and when it is over."""
    _configured().tracekit_alert(alert)


@hookimpl
def tracekit_configuration_problems() -> Sequence[str] | None:
    """Names the hosts that are not allowed."""
    return _configured().tracekit_configuration_problems()
