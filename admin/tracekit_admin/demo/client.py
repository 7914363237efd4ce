"""An HTTP client that takes bytes as they come and may hang up: what the demo's check compares recordings with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import Any

__all__ = ["Address", "Received", "fetch", "post"]

Address = tuple[str, int]

_TIMEOUT_SECONDS = 30.0
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Received:
    """What a client has of one response. `whole`: it came to the end that HTTP announces."""

    status: int
    trace_id: str | None
    body: bytes
    whole: bool

    @property
    def frames(self) -> list[bytes]:
        """The server-sent events in the body, each with the blank line that ends it."""
        return [event + b"\n\n" for event in self.body.split(b"\n\n")[:-1]]


def post(address: Address, path: str, payload: dict[str, Any], *, leave_after: int | None = None) -> Received:
    """Send a JSON document and take the answer, or its beginning: `leave_after` that many frames hang up."""
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("POST", path, json.dumps(payload), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body, whole = _read(response, leave_after)
        return Received(response.status, response.getheader("x-trace-id"), body, whole)


def _read(response: HTTPResponse, leave_after: int | None) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    frames = 0
    try:
        for part in _parts(response):
            parts.append(part)
            frames += part.count(b"\n\n")
            if leave_after is not None and frames >= leave_after:
                return b"".join(parts), False
    except (IncompleteRead, ConnectionError):
        return b"".join(parts), False
    return b"".join(parts), True


def _parts(response: HTTPResponse) -> Iterator[bytes]:
    while part := response.read1(_READ_BYTES):
        yield part


def fetch(address: Address, path: str, token: str) -> tuple[int, bytes]:
    """Status and body of a page of the admin API."""
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read()
