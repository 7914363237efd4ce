"""Bundled plugin: posts alerts to the addresses that `TRACEKIT_WEBHOOK_URLS` names, on hosts that are allowed."""

from __future__ import annotations

from tracekit_webhook.plugin import Webhook, tracekit_alert, tracekit_configuration_problems

__all__ = ["Webhook", "tracekit_alert", "tracekit_configuration_problems"]
