"""A client that sees a chunked response as the server cut it: each chunk with the moment at which it came."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BufferedReader

__all__ = ["Response", "ask"]


@dataclass
class Response:
    """What came back. `whole`: the last chunk came, and not just the end of the connection."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """Seconds from the request to each chunk."""
    whole: bool = False
    ended: float = 0.0
    """Seconds from the request to the end."""

    @property
    def body(self) -> bytes:
        """All chunks joined."""
        return b"".join(self.chunks)


def ask(port: int, path: str = "/chat", method: str = "POST", **headers: str) -> Response:
    """Send a request, and read the chunked response to its end. `x_name="value"` adds a header `x-name`."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", "content-length: 2"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        began = time.perf_counter()
        connection.sendall("\r\n".join([*lines, "", "{}"]).encode())
        with connection.makefile("rb") as stream:
            response = _head(stream)
            for chunk in _chunks(stream, response):
                response.times.append(time.perf_counter() - began)
                response.chunks.append(chunk)
            response.ended = time.perf_counter() - began
    return response


def _head(stream: BufferedReader) -> Response:
    status = int(stream.readline().split()[1])
    return Response(status, {name.lower(): value for name, value in parse_headers(stream).items()})


def _chunks(stream: BufferedReader, response: Response) -> Iterator[bytes]:
    assert response.headers.get("transfer-encoding") == "chunked", response.headers
    while size_line := stream.readline():
        size = int(size_line, 16)
        data = stream.read(size)
        assert stream.readline() == b"\r\n"
        if not size:
            response.whole = True
            return
        assert len(data) == size
        yield data
