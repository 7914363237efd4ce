"""A reader of server-sent events that takes the standard at its word (HTML, section 9.2.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

TRACES = "/api/task-trace"

_MOST_KEEPALIVES = 4
"""In a row: a stream that keeps its reader waiting for a minute has lost something, and no socket times out on it."""


class Message(NamedTuple):
    """One message, as a browser would dispatch it."""

    event: str
    id: str
    data: Any

    @property
    def seq(self) -> int:
        """The number of the event, which is the message's id."""
        return int(self.id)


def path_of_stream(trace_id: str) -> str:
    """Where the events of a trace are streamed."""
    return f"{TRACES}/{trace_id}/events/stream"


@contextmanager
def streaming(client: httpx.Client, path: str, *, last_event_id: int | None = None) -> Iterator[Iterator[Message]]:
    """The messages of a stream while the block runs; leaving it closes the connection."""
    headers = {"Accept": "text/event-stream"} | ({} if last_event_id is None else {"Last-Event-ID": str(last_event_id)})
    with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        yield messages(response.iter_bytes())


def messages(chunks: Iterator[bytes]) -> Iterator[Message]:
    """The messages in a body that comes in chunks. Comments and `retry` are passed over."""
    fields: dict[str, str] = {}
    keepalives = 0
    for line in _lines(chunks):
        keepalives = keepalives + line.startswith(": keepalive") if not fields else 0
        assert keepalives <= _MOST_KEEPALIVES, "nothing but keepalives"
        name, _, value = line.partition(":")
        if line and name:
            assert name in ("event", "id", "data", "retry"), line
            assert name not in fields, f"a second {name} line in one message"
            fields[name] = value.removeprefix(" ")
        elif not line:
            if "data" in fields:
                yield Message(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            fields = {}


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines end with CRLF, LF or CR, and with nothing else, whatever a language's own line splitting says."""
    waiting = b""
    for chunk in chunks:
        *whole, waiting = (waiting + chunk).split(b"\n")
        for line in whole:
            yield from line.removesuffix(b"\r").replace(b"\r", b"\n").decode().split("\n")


def until_the_end(stream: Iterator[Message]) -> tuple[list[Message], Message]:
    """All messages of a trace's stream, and the one that ends it."""
    found = list(stream)
    assert [message.event for message in found].count("end") == 1
    return found[:-1], found[-1]
