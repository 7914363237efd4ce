"""How a trace ended, from what capture saw and what the stream said."""

from __future__ import annotations

from starlette.requests import ClientDisconnect

from tracekit.types import EndReason

__all__ = ["conclude", "is_fault", "seen_ending"]

_NO_BODY_EXPECTED = frozenset({204, 205, 304})


def seen_ending(error: BaseException | None, *, left: bool, whole: bool) -> EndReason:
    """The ending as it looks at the edge of the app.

    `error` is what the app raised. `left`: the client was seen to leave before the answer was `whole`.
    """
    if whole and not left:
        return EndReason.COMPLETED
    if left and (error is None or not is_fault(error, left=True)):
        return EndReason.CLIENT_DISCONNECTED
    # CancelledError, trio's Cancelled, GeneratorExit, KeyboardInterrupt and SystemExit: the server's own doing.
    return EndReason.APP_ERROR if error is None or is_fault(error, left=left) else EndReason.SERVER_CANCELLED


def is_fault(error: BaseException, *, left: bool) -> bool:
    """Whether an error, or any in a group, is the app's own. One that only tells of the client's leaving is not."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_fault(part, left=left) for part in error.exceptions)
    return isinstance(error, Exception) and not (left and isinstance(error, OSError | ClientDisconnect))


def conclude(
    seen: EndReason,
    *,
    http_status: int | None,
    method: str | None,
    said_end: bool,
    said_error: bool,
    body_bytes: int,
    file: bool = False,
) -> EndReason:
    """The ending of a trace.

    `seen` is what capture saw at the edge of the app. `said_end`: the format's own end of stream was sent, so a
    client that left after it has the whole answer. `said_error`: an error was sent inside the stream. `file`: the
    server sent a file by itself, so there are no `body_bytes`.
    """
    if seen is EndReason.CLIENT_DISCONNECTED and said_end:
        seen = EndReason.COMPLETED_THEN_DISCONNECTED
    if seen not in (EndReason.COMPLETED, EndReason.COMPLETED_THEN_DISCONNECTED):
        return seen
    if http_status is not None and http_status >= 400:
        return EndReason.HTTP_ERROR
    if said_error:
        return EndReason.STREAM_ERROR
    empty = not body_bytes and not file
    if empty and method is not None and method != "HEAD" and http_status not in _NO_BODY_EXPECTED:
        return EndReason.NO_DATA_CLOSED
    return seen
