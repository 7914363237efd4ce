"""Reason codes of exceptions: of the exception, of what is in a group, and of what it was raised from."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from tracekit.plain_attributes import plain_attribute
from tracekit_reasons.class_names import code_of_class_name
from tracekit_reasons.error_text import code_of_message, code_of_wait
from tracekit_reasons.status import code_of_status

__all__ = ["code_of_exception"]

_MOST_LINKS = 20

_OF_ERRNO = {
    errno.ENOENT: "MISSING_FILE",
    errno.ENOTDIR: "MISSING_FILE",
    errno.EACCES: "PERMISSION_DENIED",
    errno.EPERM: "PERMISSION_DENIED",
    errno.EROFS: "PERMISSION_DENIED",
    errno.ENOMEM: "OUT_OF_MEMORY",
    errno.ENOBUFS: "OUT_OF_MEMORY",
    errno.EDEADLK: "DEADLOCK",
    errno.ETIMEDOUT: "TIMEOUT",
    errno.ECONNREFUSED: "NETWORK_ERROR",
    errno.ECONNRESET: "NETWORK_ERROR",
    errno.ECONNABORTED: "NETWORK_ERROR",
    errno.EPIPE: "NETWORK_ERROR",
    errno.EHOSTUNREACH: "NETWORK_ERROR",
    errno.EHOSTDOWN: "NETWORK_ERROR",
    errno.ENETUNREACH: "NETWORK_ERROR",
    errno.ENETDOWN: "NETWORK_ERROR",
    errno.EADDRNOTAVAIL: "NETWORK_ERROR",
}


def code_of_exception(error: BaseException) -> str | None:
    """The code of the first error that has one: the exception, then its parts and causes."""
    return next(filter(None, map(_code, _chain(error))), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what stands behind it, nearest first; each once, and not without end."""
    waiting, seen = [error], {id(error)}
    for _ in range(_MOST_LINKS):
        if not waiting:
            return
        current = waiting.pop(0)
        yield current
        behind = [current.__cause__ or (None if current.__suppress_context__ else current.__context__)]
        parts = current.exceptions[:_MOST_LINKS] if isinstance(current, BaseExceptionGroup) else ()
        for link in (*parts, *behind):
            if link is not None and id(link) not in seen:
                seen.add(id(link))
                waiting.append(link)


def _code(error: BaseException) -> str | None:
    by_class = next(filter(None, (code_of_class_name(kind.__name__) for kind in _kinds(error))), None)
    if by_class == "TIMEOUT":
        return code_of_wait(_said(error)) or by_class
    return by_class or _of_status(error) or _of_errno(error) or code_of_message(_said(error))


def _kinds(error: BaseException) -> Iterator[type]:
    """The classes of an exception that say something, the most special first."""
    return (kind for kind in type(error).__mro__ if kind not in (BaseException, Exception, OSError, object))


def _of_status(error: BaseException) -> str | None:
    """By the status of the response that a client library raised it for."""
    response = plain_attribute(error, "response")
    for holder in (error, response):
        for name in ("status_code", "status", "code"):
            if code := code_of_status(plain_attribute(holder, name)):
                return code
    return None


def _of_errno(error: BaseException) -> str | None:
    return _OF_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None


def _said(error: BaseException) -> str:
    """The message of an exception; nothing for a group, whose parts speak for themselves."""
    try:
        return "" if isinstance(error, BaseExceptionGroup) else str(error)
    except Exception:  # noqa: BLE001 - an exception's own __str__ may raise
        return ""
