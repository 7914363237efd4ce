"""The table of all operations: the routes and the OpenAPI document are both made from it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from starlette.responses import Response

from tracekit_admin import (
    garbage_api,
    health_api,
    ingest_api,
    questions_api,
    replay_api,
    settings_api,
    switch_api,
    traces_api,
)
from tracekit_admin.answer_api import AnswerStream
from tracekit_admin.auth import Gate, TokenCheck
from tracekit_admin.console import pages
from tracekit_admin.documents import json_response
from tracekit_admin.live_api import Live
from tracekit_admin.openapi import document_of
from tracekit_admin.operations import Answer, Call, Nothing, Operation
from tracekit_admin.queries import NoQuery
from tracekit_admin.sign_in import SignIn

__all__ = ["Api"]


class Api:
    """The operations behind one gate. Pages for signing in are there only where the admin token opens it."""

    def __init__(self, gate: Gate) -> None:
        self.operations: tuple[Operation, ...] = (
            *traces_api.OPERATIONS,
            *ingest_api.OPERATIONS,
            *questions_api.OPERATIONS,
            *replay_api.OPERATIONS,
            *garbage_api.OPERATIONS,
            *Live(gate).operations(),
            *AnswerStream(gate).operations(),
            *settings_api.OPERATIONS,
            *switch_api.OPERATIONS,
            *health_api.OPERATIONS,
            Operation(
                method="GET",
                path="/openapi.json",
                answer=self.get_openapi,
                summary="This document",
                tag="health",
                answers=(Answer(200, "An OpenAPI 3.1 document.", dict[str, Any]),),
            ),
            *pages.OPERATIONS,
            *(SignIn(gate).operations() if isinstance(gate, TokenCheck) else ()),
        )

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return document_of(self.operations)

    def get_openapi(self, call: Call[NoQuery, Nothing]) -> Response:
        """Every operation that is served, and what it takes and answers."""
        return json_response(self.document)
