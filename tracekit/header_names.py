"""The name of the response header that carries a trace id, as far as a host may choose it."""

from __future__ import annotations

import re

__all__ = ["response_header_name"]

# A field name is a token (RFC 9110, sections 5.1 and 5.6.2).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")

# What these say is the app's and the server's to say; a second one of them would break the answer, or change it.
_TAKEN = re.compile(
    r"(?:content|access-control|sec|proxy|www|alt|cross-origin)-.*"
    r"|connection|keep-alive|transfer-encoding|te|trailer|upgrade|date|server|location|set-cookie|vary|etag"
    r"|cache-control|expires|last-modified|link|age|allow|status|refresh|strict-transport-security",
    re.IGNORECASE,
)


def response_header_name(name: str) -> str:
    """`name`, if a trace id can travel under it; empty stays empty, and means none.

    Raises:
        ValueError: it is no field name, or one with a meaning of its own.
    """
    if name and not _TOKEN.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is no name of a header (RFC 9110)")
    if _TAKEN.fullmatch(name):
        raise ValueError(f"{name} has a meaning of its own in HTTP")
    return name
