"""Reason codes of HTTP statuses."""

from __future__ import annotations

__all__ = ["code_of_status"]

_CODES = {
    401: "AUTH_EXPIRED",
    403: "PERMISSION_DENIED",
    404: "MISSING_FILE",
    407: "AUTH_EXPIRED",
    408: "TIMEOUT",
    410: "MISSING_FILE",
    # Locked, and failed because of another request (WebDAV, RFC 4918).
    423: "DEADLOCK",
    429: "RATE_LIMITED",
    # The client closed the request: nginx's own.
    499: "CLIENT_DISCONNECTED",
    502: "NETWORK_ERROR",
    503: "NETWORK_ERROR",
    504: "TIMEOUT",
    # Cloudflare's own, between it and the server behind it.
    520: "NETWORK_ERROR",
    521: "NETWORK_ERROR",
    522: "TIMEOUT",
    523: "NETWORK_ERROR",
    524: "TIMEOUT",
    525: "NETWORK_ERROR",
    # Anthropic's own: overloaded.
    529: "RATE_LIMITED",
}


def code_of_status(status: object) -> str | None:
    """The reason code of a status; None where the status does not tell why, as 400 and 500 do not."""
    return _CODES.get(status) if isinstance(status, int) else None
