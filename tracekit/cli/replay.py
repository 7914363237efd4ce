"""`tracekit replay`: a recorded response served again, for a front end under test."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated

import typer
import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse

from tracekit.cli.listening import address_of, listen
from tracekit.cli.opening import found_trace, open_store
from tracekit.cli.options import DatabaseUrl, TraceName
from tracekit.cli.output import tell_not_exact
from tracekit.errors import InvalidInput
from tracekit.recorded_response import RecordedResponse, parse_start, stored_response
from tracekit.replay import Replay
from tracekit.types import ASGIApp, Receive, Scope, Send

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_HERE = r"https?://(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"

# Names that only a local resolver knows (RFC 6761 and its kin). A page under a name that somebody owns could point
# that name at this machine, and so read what is served here without a password.
_OWN_NAME = re.compile(r"[^.]+|.*\.(localhost|test|internal|local|example|home\.arpa)|[0-9.]+|\[[0-9a-f:.]+\]")

# Seconds that a replay may still take when the server is told to stop.
_GRACE = 1


@app.command()
def replay(
    trace: TraceName,
    *,
    database_url: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.", min=0, max=65535)] = 8900,
    speed: Annotated[float, typer.Option(help="How many times as fast as it was; 0 leaves the pauses out.")] = 1.0,
    start: Annotated[
        str, typer.Option("--from", help="Microseconds since the trace began, or a frame's number as seq:42.")
    ] = "0",
    path: Annotated[
        str | None, typer.Option(help="Answer only at this path; left out, at every path.", show_default=False)
    ] = None,
    cors: Annotated[bool, typer.Option("--cors", help="Let pages of other ports of this machine read it.")] = False,
) -> None:
    """Serve a recorded response again, until told to stop: to any method, with its pauses and its ending."""
    if path is not None and not path.startswith("/"):
        raise InvalidInput(f"--path: {path!r} does not begin with a slash")
    with open_store(database_url) as store, listen(host, port) as listener:
        recorded = stored_response(store, found_trace(store, trace), parse_start(start))
        served: ASGIApp = _Door(Replay(recorded, speed=speed), path, local=_is_local(listener))
        if cors:
            served = _open_to_this_machine(served)
        _tell(f"{address_of(listener)[:-1]}{path or '/'}", recorded)
        # What a replay raises on purpose is no news, and uvicorn would print its traceback.
        config = uvicorn.Config(
            served,
            lifespan="off",
            ws="none",
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=_GRACE,
        )
        # uvicorn stops in good order and then raises the signal again.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


class _Door:
    """Lets requests through that are meant for this server, and for the path, where there is one. `local`: nobody
    but this machine reaches it."""

    def __init__(self, replay: Replay, path: str | None, *, local: bool) -> None:
        self._replay = replay
        self._path = path
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._replay
        if self._local and not _OWN_NAME.fullmatch(_host(scope)):
            app = PlainTextResponse("This server answers only under local names, such as localhost.\n", 403)
        elif self._path is not None and scope["path"] != self._path:
            app = PlainTextResponse(f"Only {self._path} is replayed.\n", 404)
        await app(scope, receive, send)


def _is_local(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0]).is_loopback


def _host(scope: Scope) -> str:
    """The name that the client went to, lower case, without the port."""
    hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    return re.sub(r":[0-9]*\Z", "", hosts[0]) if hosts else "localhost"


def _open_to_this_machine(app: ASGIApp) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origin_regex=_HERE,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
        expose_headers=["*", "X-Tracekit-Exact"],
    )


def _tell(address: str, recorded: RecordedResponse) -> None:
    sys.stdout.write(f"replaying at {address} ({recorded.ending.reason}); Ctrl-C ends it\n")
    sys.stdout.flush()
    if not recorded.exact:
        tell_not_exact()
