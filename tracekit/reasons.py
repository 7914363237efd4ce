"""Why things fail: a reason code, its class, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["REASONS", "Reason", "ReasonClass"]

ReasonClass = Literal["transient", "persistent", "resource", "config", "unknown"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code with its class and the advised action. Plugins may make their own."""

    code: str
    reason_class: ReasonClass
    advice: str


REASONS: dict[str, Reason] = {
    reason.code: reason
    for reason in (
        Reason("TIMEOUT", "transient", "Try again; if it repeats, look at what was waited for and raise the limit."),
        Reason("MISSING_FILE", "persistent", "Restore the file or correct its path; trying again does not help."),
        Reason("SELECTOR_NOT_FOUND", "persistent", "The page has changed: bring the selector up to date."),
        Reason("AUTH_EXPIRED", "config", "Renew the credentials."),
        Reason("NETWORK_ERROR", "transient", "Try again; if it repeats, see whether the peer can be reached."),
        Reason("OUT_OF_MEMORY", "resource", "Give the process more memory, or less to do at once."),
        Reason("PERMISSION_DENIED", "config", "Grant the right that is missing."),
        Reason("DEADLOCK", "transient", "Try again; take locks in one order everywhere."),
        Reason("RATE_LIMITED", "transient", "Wait as long as the provider says, then try again with fewer requests."),
        Reason("CLIENT_DISCONNECTED", "transient", "Nothing: the client left."),
        Reason("CANCELLED", "transient", "Nothing, if it was meant: the work was stopped from outside."),
        Reason("UNEXPECTED_ERROR", "unknown", "Read the error and the events before it."),
    )
}
