"""Who may come in. Closed unless opened: by the host's own check, by the admin token, or by nobody."""

from __future__ import annotations

import hmac
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from tracekit.store.records import Visible
from tracekit_admin.problems import Problem
from tracekit_admin.sessions import Sessions

__all__ = ["Access", "Authorize", "Closed", "Gate", "HostCheck", "TokenCheck", "gate_of"]

logger = logging.getLogger("tracekit.admin")

HOW_TO_OPEN = (
    "The admin is closed, since nobody said who may see it. Set TRACEKIT_ADMIN_TOKEN to a secret of at least 16 "
    "characters, or give Admin or install an `authorize` function of your own."
)


@dataclass(frozen=True, slots=True)
class Access:
    """A permission. `name` is who has it, as the audit of the settings shows it.

    With `sessions` or `actors` it is limited to the traces of these, for hosts that serve several parties: it may then
    read the list of traces and single traces, and nothing else. A host names its users by `Recorder(identify=...)`.
    """

    name: str = "admin"
    sessions: Collection[str] | None = None
    actors: Collection[str] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether it reaches to some traces only."""
        return self.sessions is not None or self.actors is not None

    @property
    def visible(self) -> Visible | None:
        """The traces that it reaches, made anew from its names; None: all."""
        if not self.is_limited:
            return None
        return Visible.of(_names(self.sessions), _names(self.actors))


def _names(names: Collection[str] | None) -> Collection[str]:
    """A single text is no collection of names, whatever Python says."""
    if isinstance(names, str):
        raise TypeError("sessions and actors are collections of names, not one name")
    return names or ()


Authorize = Callable[[HTTPConnection], bool | Access | Awaitable[bool | Access]]
"""The host's own check: True or an `Access` lets a request in. Sync functions run in the thread pool."""


class Gate(Protocol):
    """Decides on each request."""

    async def access(self, connection: HTTPConnection) -> Access | None:
        """The permission that a request has.

        Raises:
            Problem: it has none, and signing in cannot help.
        """


class Closed:
    """Lets nobody in, and says how to open."""

    async def access(self, connection: HTTPConnection) -> Access | None:
        """No permission, ever."""
        raise Problem(403, HOW_TO_OPEN)


class HostCheck:
    """Asks the host's function. Whatever it does but say yes, the request stays outside."""

    def __init__(self, authorize: Authorize) -> None:
        self._authorize = authorize

    async def access(self, connection: HTTPConnection) -> Access | None:
        """What the function says."""
        answer = await self._ask(connection)
        if isinstance(answer, Access):
            return answer
        if answer is True:
            return Access()
        if answer is not False:
            logger.error("authorize returned %s: it must return True, False or Access", type(answer).__name__)
        raise Problem(403, "The app's own check does not let this request in.")

    async def _ask(self, connection: HTTPConnection) -> object:
        if _is_async(self._authorize):
            answer: Any = self._authorize(connection)
        else:
            answer = await run_in_threadpool(self._authorize, connection)
        return await answer if inspect.isawaitable(answer) else answer


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether a function, or an object that is called as one, is a coroutine function."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class TokenCheck:
    """Takes the admin token from its bearer, or a session that was opened with it."""

    def __init__(self, token: str) -> None:
        self.sessions = Sessions(token)
        self._digest = sha256(token.encode()).digest()

    async def access(self, connection: HTTPConnection) -> Access | None:
        """A permission for who has the token or a session."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return Access() if self.is_token(token.strip().encode("latin-1")) else None
        return Access() if self.sessions.is_open(connection) else None

    def is_token(self, token: bytes) -> bool:
        """Whether these bytes are the token. Takes as long for a wrong one; digests hide the length as well."""
        return hmac.compare_digest(sha256(token).digest(), self._digest)


def gate_of(authorize: Authorize | None, token: str | None) -> Closed | HostCheck | TokenCheck:
    """The gate that a configuration asks for: the host's check goes before the token."""
    if authorize is not None:
        return HostCheck(authorize)
    return Closed() if token is None else TokenCheck(token)
