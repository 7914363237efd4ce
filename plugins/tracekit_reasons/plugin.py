"""Finds the reason code of an error: by what it is, by what it says, by the HTTP status."""

from __future__ import annotations

from tracekit.hookspecs import hookimpl
from tracekit.reasons import REASONS, Reason
from tracekit_reasons.error_text import code_of_text
from tracekit_reasons.exceptions import code_of_exception
from tracekit_reasons.status import code_of_status

__all__ = ["tracekit_classify_error"]


@hookimpl
def tracekit_classify_error(error: BaseException | str, http_status: int | None) -> Reason | None:
    """The error itself goes before the status of the response, which says only what the app made of it."""
    code = code_of_text(error) if isinstance(error, str) else code_of_exception(error)
    code = code or code_of_status(http_status)
    return REASONS[code] if code else None
