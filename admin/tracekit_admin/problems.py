"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tracekit import json_text
from tracekit.errors import (
    Conflict,
    InvalidInput,
    InvalidSettings,
    NotFound,
    SchemaError,
    StoreUnavailable,
    TracekitError,
    WrongState,
)

__all__ = ["Problem", "as_sentence", "problem_of", "problem_response", "problems_of_fields"]

# Seconds after which a database that cannot be reached is worth another try.
_RETRY_AFTER = "5"

_STATUS: dict[type[TracekitError], int] = {
    NotFound: 404,
    WrongState: 409,
    Conflict: 412,
    SchemaError: 503,
    TracekitError: 500,
}
_UNKNOWN = "tracekit failed to answer; the log of the app says why."

# A request may hold thousands of wrong names; the first ones tell enough.
_MOST_ERRORS = 32


class Problem(Exception):
    """An answer that says what is wrong. `errors` names each bad field of the request."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The phrase of the status code, as `about:blank` demands (RFC 9457, section 4.2.1)."""
        return HTTPStatus(self.status).phrase

    def document(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return {**document, "errors": self.errors} if self.errors else document


def problem_response(problem: Problem) -> Response:
    """The response that carries a problem."""
    content = json_text.encode_bytes(problem.document())
    return Response(content, problem.status, problem.headers, "application/problem+json")


def problem_of(error: Exception) -> Problem:
    """What an exception tells the client. Of an unknown one nothing but that it happened."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, error.detail, headers=error.headers)
    if isinstance(error, StoreUnavailable):
        return Problem(503, as_sentence(str(error)), headers={"Retry-After": _RETRY_AFTER})
    if isinstance(error, InvalidInput):
        return Problem(422, str(error), errors=_faults(error))
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), None)
    return Problem(500, _UNKNOWN) if status is None else Problem(status, str(error))


def as_sentence(text: str) -> str:
    """A message with a capital letter, as people read it."""
    return text[:1].upper() + text[1:]


def _faults(error: InvalidInput) -> list[dict[str, str]]:
    if isinstance(error, InvalidSettings):
        return [{"field": name or "body", "message": fault} for name, fault in error.faults.items()]
    return [{"field": error.field, "message": str(error)}] if error.field else []


def problems_of_fields(error: ValidationError, place: str, model: type[BaseModel]) -> Problem:
    """A 422 that names each field of `model` that pydantic refused. `place` is where they stand: query, body."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    known = ", ".join(field.alias or name for name, field in model.model_fields.items()) or "none"
    errors = [
        {
            "field": ".".join(map(str, fault["loc"])) or place,
            "message": f"unknown; there are: {known}" if fault["type"] == "extra_forbidden" else fault["msg"],
        }
        for fault in faults[:_MOST_ERRORS]
    ]
    named = "; ".join(f"{fault['field']}: {fault['message']}" for fault in errors)
    return Problem(422, f"The {place} is not as it should be. {named}", errors=errors)
