"""Whether a request is recorded: one pure function."""

from __future__ import annotations

from tracekit.config import SystemSettings
from tracekit.types import Actor, Decision

__all__ = ["allows", "conditions", "should_enable_task_trace"]


def should_enable_task_trace(
    settings: SystemSettings, environment: str, actor: Actor | None, requested: bool | None
) -> Decision:
    """Decide on one request.

    `requested` is what the request says of itself (`traceEnabled` in its JSON body, or the header `X-Trace-Enabled`),
    None where it does not say. What forbids goes before what allows: the master switch, the environment, who asks.
    """
    if not settings.task_trace_enabled:
        return Decision(False, "disabled")
    if settings.task_trace_env not in (environment, "both"):
        return Decision(False, "environment")
    if settings.task_trace_admin_only and not (actor is not None and actor.is_admin):
        return Decision(False, "admin_only")
    if requested is not None:
        return Decision(requested, "requested" if requested else "declined")
    return Decision(settings.task_trace_default_on, "default_on" if settings.task_trace_default_on else "not_requested")


def allows(settings: SystemSettings, environment: str) -> bool:
    """Whether anything may be recorded in this environment."""
    return settings.task_trace_enabled and settings.task_trace_env in (environment, "both")


def conditions(settings: SystemSettings, environment: str) -> tuple[str, ...]:
    """What keeps a plain request of a stranger from being recorded, named as `should_enable_task_trace` names it, in
    the order in which people clear it away. Nothing: every request is recorded."""
    found = {
        "disabled": not settings.task_trace_enabled,
        "environment": settings.task_trace_env not in (environment, "both"),
        "admin_only": settings.task_trace_admin_only,
        "not_requested": not settings.task_trace_default_on,
    }
    return tuple(name for name, holds in found.items() if holds)
