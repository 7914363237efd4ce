"""The OpenAPI document says what is served, no more and no less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from admin_server import TOKEN, operations, path_of
from starlette.routing import Mount, Route
from trace_rows import mixed, write_trace

from tracekit import Recorder
from tracekit_admin import Admin


@pytest.fixture
def document(admin: httpx.Client) -> dict[str, Any]:
    """The document as it is served."""
    answer = admin.get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def described(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        yield from ((method.upper(), path) for method in methods)


def served(admin: Admin) -> Iterator[tuple[str, str]]:
    """Every method of every route, but for HEAD, which goes with GET, and the static files."""
    for route in admin.router.routes:
        assert isinstance(route, Route) or (isinstance(route, Mount) and route.path == "/static")
        if isinstance(route, Route):
            path = route.path.replace(":path}", "}")
            yield from ((method, path) for method in (route.methods or ()) if method != "HEAD")


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        yield from (ref for ref in [value.get("$ref")] if isinstance(ref, str))
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def test_the_document_names_every_route_and_no_other(recorder: Recorder, document: dict[str, Any]) -> None:
    """Both are made from one table; this walks the router itself."""
    assert sorted(described(document)) == sorted(served(Admin(recorder)))


def test_behind_the_hosts_check_there_is_nothing_to_sign_in_with(recorder: Recorder) -> None:
    """The document follows the configuration."""
    admin = Admin(recorder, authorize=lambda connection: True)
    assert sorted(described(admin.api.document)) == sorted(served(admin))
    assert "/sign-in" not in admin.api.document["paths"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """And every schema is used."""
    named = set(references(document))
    assert named == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_the_document_is_openapi_3_1_and_plain_json(document: dict[str, Any]) -> None:
    """With a name for each operation, and words that say what it does."""
    assert document["openapi"] == "3.1.0"
    found = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert len([operation for operation in found if operation["tags"] != ["plugins"]]) == len(operations())
    for operation in found:
        assert operation["summary"]
        assert operation["description"]
        assert "default" in operation["responses"]


def test_parameters_are_described_as_they_are_taken(document: dict[str, Any]) -> None:
    """Types, bounds and defaults; nothing that a query string cannot hold."""
    listed = {parameter["name"]: parameter for parameter in document["paths"]["/api/task-trace"]["get"]["parameters"]}
    assert listed["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert "failed" in listed["status"]["schema"]["enum"]
    assert listed["started_after"]["schema"] == {"type": "string", "format": "date-time"}
    events = document["paths"]["/api/task-trace/{trace_id}/events"]["get"]["parameters"]
    (types,) = [parameter["schema"] for parameter in events if parameter["name"] == "type"]
    assert (types["type"], types["items"], types["maxItems"]) == ("array", {"type": "string"}, 64)
    assert "null" not in json.dumps([listed, events])


def test_the_settings_schema_has_the_bounds_of_the_settings(document: dict[str, Any]) -> None:
    """A client can check a change before it is sent."""
    schema = document["components"]["schemas"]["SettingsChanges"]
    assert schema.get("required", []) == []
    assert schema["additionalProperties"] is False
    retention = schema["properties"]["task_trace_retention_days"]
    assert (retention["type"], retention["minimum"], retention["maximum"]) == ("integer", 0, 36500)
    assert "default" not in retention


def test_every_answer_has_a_documented_status_and_media_type(
    admin: httpx.Client, recorder: Recorder, document: dict[str, Any]
) -> None:
    """Each operation asked for something that is there, that is not, and wrongly."""
    known, unknown = write_trace(recorder.database, mixed(9)), "0" * 32
    for operation in operations():
        for trace_id, query in ((known, ""), (unknown, ""), (known, "?no-such-parameter=1")):
            if operation.method == "DELETE" and trace_id == known and not query:
                continue
            body = {"data": {"token": TOKEN}} if operation.path == "/sign-in" else {"json": {}}
            with admin.stream(
                operation.method,
                path_of(operation, trace_id) + query,
                **(body if operation.method in ("POST", "PUT") else {}),  # type: ignore[arg-type]
            ) as answer:
                # A live stream has no end to wait for.
                if answer.headers.get("content-type", "").partition(";")[0] != "text/event-stream":
                    answer.read()
            check(answer, document["paths"][operation.path.replace(":path}", "}")][operation.method.lower()])


def check(answer: httpx.Response, operation: dict[str, Any]) -> None:
    described = operation["responses"].get(str(answer.status_code))
    assert described is not None, (operation["operationId"], answer.status_code)
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if (not answer.is_stream_consumed or answer.content) and answer.status_code != 303:
        assert {media_type, "*/*"} & described["content"].keys(), (operation["operationId"], media_type)
    for header in described.get("headers", {}):
        assert header.lower() in answer.headers
