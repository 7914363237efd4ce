"""Reason codes of error texts: a class name before the first colon, a status in the text, or a telling phrase."""

from __future__ import annotations

import re

from tracekit_reasons.class_names import code_of_class_name
from tracekit_reasons.status import code_of_status

__all__ = ["code_of_message", "code_of_text", "code_of_wait"]

# Longer messages are dumps; what is wrong stands at their beginning.
_MOST_CHARACTERS = 2_000

_CLASS = re.compile(r"\s{0,8}([A-Za-z_][\w.]{0,200})\s{0,4}(?::|\(|$)")
_STATUS = re.compile(
    r"\b(?:error code|status code|status|http(?:/[\d.]{1,3})?|code)\D{0,3}\b([45]\d\d)\b", re.IGNORECASE
)

# From the most telling to the vaguest. The first two also tell what a timeout was about.
_WAITS = 2
_PHRASES = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"deadlock|could not serialize|lock wait timeout|database is locked|database table is locked", "DEADLOCK"),
        (
            r"waiting for (?:selector|locator|get_?by|element)|no such element|unable to locate element"
            r"|resolved to 0 elements|strict mode violation|no node found for selector",
            "SELECTOR_NOT_FOUND",
        ),
        (r"rate.?limit|too many requests|quota exceeded|exceeded your current quota|overloaded", "RATE_LIMITED"),
        (r"out of memory|cannot allocate memory|memory limit|oom.?kill", "OUT_OF_MEMORY"),
        (
            r"(?:token|session|credentials?|signature|certificate) (?:has |have |is |are )?expired"
            r"|unauthori[sz]ed|invalid.{0,10}api.?key|incorrect api key|authentication (?:failed|error)"
            r"|invalid x-api-key|not authenticated|login required",
            "AUTH_EXPIRED",
        ),
        (r"permission denied|access denied|forbidden|not permitted|operation not permitted", "PERMISSION_DENIED"),
        (r"no such file|file not found|does not exist on disk|cannot find the (?:file|path)", "MISSING_FILE"),
        (r"time(?:d)?[ -]?out|deadline exceeded", "TIMEOUT"),
        (
            r"client (?:has )?disconnected|disconnected by (?:the )?client|client closed|request (?:was )?aborted",
            "CLIENT_DISCONNECTED",
        ),
        (
            r"connection (?:refused|reset|aborted|closed|error|lost|broken)|name or service not known|network is"
            r"|no route to host|name resolution|getaddrinfo|broken pipe|server disconnected|peer closed"
            r"|incomplete chunked read|could not connect|temporarily unavailable|bad gateway|service unavailable",
            "NETWORK_ERROR",
        ),
    )
)


def code_of_text(text: str) -> str | None:
    """The reason code of an error that is only known as text, such as `httpx.ReadTimeout: the read timed out`."""
    match = _CLASS.match(text)
    by_class = code_of_class_name(match[1]) if match else None
    if by_class == "TIMEOUT":
        return code_of_wait(text) or by_class
    return by_class or code_of_message(text)


def code_of_wait(message: str) -> str | None:
    """What was waited for in vain, where the message of a timeout says so: a lock, or an element of a page."""
    message = message[:_MOST_CHARACTERS]
    return next((code for pattern, code in _PHRASES[:_WAITS] if pattern.search(message)), None)


def code_of_message(message: str) -> str | None:
    """The reason code that a message speaks of."""
    message = message[:_MOST_CHARACTERS]
    for pattern, code in _PHRASES:
        if pattern.search(message):
            return code
    statuses = (code_of_status(int(match[1])) for match in _STATUS.finditer(message))
    return next(filter(None, statuses), None)
