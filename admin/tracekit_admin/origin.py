"""Whether a request comes from a page of another origin: what a browser says of it, against where it went.

`Sec-Fetch-Site` (W3C Fetch Metadata) decides where it is sent, since no page can forge it and no proxy rewrites it.
Browsers leave it out on plain http; there `Origin` is compared with `Host`, without the scheme, which a proxy that
ends TLS changes. `Origin: null` is foreign.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

__all__ = ["CHANGING_METHODS", "origin_fault"]

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_fault(headers: Headers) -> str | None:
    """Why a changing request may not be obeyed, or None.

    Where a browser says nothing of its origin, the request passes unless it carries what a browser adds by itself (a
    cookie, or credentials that are no bearer token).
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return None if site.lower() in _OWN_SITES else f"This request comes from another site ({site[:32]})."
    if origin is not None:
        own = _is_own(origin, headers.get("host", ""))
        return None if own else "This request comes from a page of another origin."
    if _is_ambient(headers):
        return "This request changes something and does not say which page it comes from (Origin, Sec-Fetch-Site)."
    return None


def _is_ambient(headers: Headers) -> bool:
    scheme = headers.get("authorization", "bearer ").partition(" ")[0].lower()
    return scheme != "bearer" or ("cookie" in headers and "authorization" not in headers)


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        own = urlsplit(f"//{host}")
        return bool(parts.hostname) and parts.hostname == own.hostname and port in _ports(own.port)
    except ValueError:
        return False


def _ports(port: int | None) -> tuple[int, ...]:
    return tuple(_DEFAULT_PORTS.values()) if port is None else (port,)
