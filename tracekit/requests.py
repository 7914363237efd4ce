"""A recorded request, and what a plugin finds in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RequestDescription", "RequestInfo"]


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A recorded request as it came in. Header names are lower case; repeated headers are joined by a comma."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    """As far as it was kept; `body_size` is the length of the whole."""
    body_size: int
    json: Any
    """The body as a JSON value; None where it is none or was not kept whole."""


@dataclass(frozen=True, slots=True)
class RequestDescription:
    """What a request says of itself. None: it does not say."""

    session_id: str | None = None
    message_id: str | None = None
    client_message_id: str | None = None
    model: str | None = None
    prompt: str | None = None
    """The last thing the user said."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Further facts worth keeping: temperature, tools offered, number of messages."""
