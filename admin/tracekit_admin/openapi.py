"""The OpenAPI document (version 3.1.0) of a table of operations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from tracekit.version import VERSION
from tracekit_admin.operations import JSON, Answer, Nothing, Operation
from tracekit_admin.schemas import ProblemDocument
from tracekit_admin.sessions import COOKIE

__all__ = ["document_of"]

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"

_INFO = {
    "title": "tracekit admin",
    "version": VERSION,
    "description": "Reads, exports and deletes recorded traces, and says what is recorded. "
    "Times are ISO 8601 UTC, offsets integer microseconds. Every error is a problem document (RFC 9457).",
}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The admin token."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by the sign-in page."},
}

# What every operation may answer: no permission, unknown parameters, a fault of tracekit.
_ALWAYS = (401, 403, 422, 500)
_WITH_BODY = (400, 408, 413, 415)


def document_of(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document. It stands beside the paths that it describes, under any mount."""
    schemas = _Schemas(operations)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(_documented(operation.path), {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "."}],
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": _SECURITY},
    }


def _documented(path: str) -> str:
    """A path as OpenAPI writes it: how much of the request's path a parameter takes is a matter of the router."""
    return re.sub(r":\w+}", "}", path)


_PATH_PARAMETERS = {
    "trace_id": "A trace id: 32 hexadecimal digits; dashes and capitals are taken too.",
    "span_id": "A span id: 16 hexadecimal digits.",
    "layer": "The name of a layer, whole. It may hold slashes.",
}


class _Schemas:
    """The JSON schemas of all models that the operations name, under names that no two share."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        kinds = {id(kind): TypeAdapter(kind) for kind in _kinds(operations)}
        inputs = [(key, "validation", adapter.core_schema) for key, adapter in kinds.items()]
        generator = GenerateJsonSchema(ref_template=_REFERENCE)
        found, self.definitions = generator.generate_definitions(inputs)  # type: ignore[arg-type]  # a wider Literal
        self._found = {key: schema for (key, _), schema in found.items()}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type: a reference where it is a model."""
        return self._found[id(kind)]


def _kinds(operations: Sequence[Operation]) -> Iterator[Any]:
    yield ProblemDocument
    for operation in operations:
        yield from (answer.model for answer in operation.answers if answer.model is not None)
        if operation.body is not Nothing:
            yield operation.body


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": inspect.getdoc(operation.answer) or "",
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation, schemas),
    }
    if operation.open:
        document["security"] = []
    if operation.body is not Nothing:
        content = {operation.body_type: {"schema": schemas.of(operation.body)}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)[:}]", operation.path):
        described = {"description": _PATH_PARAMETERS[name], "schema": {"type": "string"}}
        yield {"name": name, "in": "path", "required": True, **described}


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    schema = operation.query.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, described in schema.get("properties", {}).items():
        plain = _optional(_inlined(described, definitions))
        description = plain.pop("description", "")
        yield {"name": name, "in": "query", "required": False, "description": description, "schema": plain}


def _inlined(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema with the enumerations it refers to."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_inlined(part, definitions) for part in schema["anyOf"]]}
    name = schema.get("$ref", "").rpartition("/")[2]
    return {**schema, **definitions[name]} if name else schema


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """A query string has no null: what may be left out is just not required."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    more = {key: value for key, value in schema.items() if key not in ("anyOf", "title", "$ref")}
    if more.get("default", ...) is None:
        del more["default"]
    kind = {key: value for key, value in (kinds[0] if kinds else {}).items() if key not in ("title", "$ref")}
    return {**kind, **more}


def _header_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in operation.request_headers:
        yield {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    problem = {_PROBLEM: {"schema": schemas.of(ProblemDocument)}}
    responses: dict[str, Any] = {}
    for answer in operation.answers:
        responses[str(answer.status)] = _answer(answer, schemas)
    for status in sorted({*_ALWAYS, *operation.errors, *(_WITH_BODY if operation.body is not Nothing else ())}):
        responses.setdefault(str(status), {"description": HTTPStatus(status).phrase})
        responses[str(status)].setdefault("content", {}).update(problem)
    return {**responses, "default": {"description": "Another problem.", "content": problem}}


def _answer(answer: Answer, schemas: _Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        document["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    if answer.model is not None:
        document["content"] = {answer.media_type: {"schema": schemas.of(answer.model)}}
    elif answer.status == 200 or answer.media_type not in ("", JSON):
        document["content"] = {answer.media_type: {}}
    return document
