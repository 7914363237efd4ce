"""Every operation of the OpenAPI document, tried with what its schema allows and with what it forbids.

A real server with real traces answers. Whatever is asked, it never fails, and answers nothing that the document does
not tell of: no other status, no other type, no other shape. The same requests are made each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from admin_server import BEARER, TOKEN, operations, recording_into, serving, wait_until
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from recorders import EVERYTHING
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from trace_rows import mixed, write_span, write_trace

from tracekit import Recorder
from tracekit_admin import Admin

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# These answer for as long as somebody listens, or at the pace of a recording.
ENDLESS = ("/stream", "/replay")

OPERATIONS = sorted(
    (operation.method, operation.path.replace(":path}", "}"))
    for operation in operations()
    if not operation.path.endswith(ENDLESS)
)
MODES = {"allowed": GenerationMode.POSITIVE, "forbidden": GenerationMode.NEGATIVE}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder = tmp_path_factory.mktemp("schema")
    with recording_into(f"sqlite:///{folder / 'tracekit.db'}", admin_token=TOKEN, settings=EVERYTHING) as recorder:
        wait_until(lambda: recorder.settings.loaded)
        yield recorder


@pytest.fixture(scope="module")
def trace_id(recorder: Recorder) -> str:
    trace_id = write_trace(recorder.database, mixed(60), texts={"answer": "x"}, http_status=200)
    write_span(recorder.database, trace_id, span_id="a" * 16)
    write_trace(recorder.database, mixed(5), parent_trace_id=trace_id)
    return trace_id


@pytest.fixture(scope="module")
def schema(recorder: Recorder) -> Iterator[Any]:
    with serving(Admin(recorder)) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json", headers=BEARER)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nothing_that_is_asked_gets_an_answer_that_is_not_documented(
    schema: Any, trace_id: str, method: str, path: str, mode: str
) -> None:
    """Half of the ids are that of a trace which is there."""
    operation = schema[path][method]
    requests = operation.as_strategy(generation_mode=MODES[mode])

    @settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=requests)
    def ask(case: Any) -> None:
        if "trace_id" in case.path_parameters and len(str(case.path_parameters["trace_id"])) % 2:
            case.path_parameters["trace_id"] = trace_id
        response = case.call(headers=BEARER, allow_redirects=False)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        # An operation without a parameter and without a body forbids nothing.
        assert mode == "forbidden"
        assert not operation.definition.raw.get("parameters")
        assert "requestBody" not in operation.definition.raw
