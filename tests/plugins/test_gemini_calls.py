"""The calls in Gemini's streams: functions of the app, whole or in pieces, and code that ran on Google's side."""

from __future__ import annotations

import json

import pytest
from gemini_chunks import call, chunk, decoded
from hypothesis import given
from hypothesis import strategies as st


def test_calls_come_whole() -> None:
    """Calls in one chunk or in several are calls of their own, with an id only where there is one."""
    summary = decoded(
        chunk(call(name="a", args={"x": 1}), call(name="a", args={"x": 2})),
        chunk(call(name="b", id="id_b"), finish="STOP"),
    )
    assert [(each.id, each.name, each.arguments) for each in summary.tool_calls] == [
        (None, "a", {"x": 1}),
        (None, "a", {"x": 2}),
        ("id_b", "b", {}),
    ]


def test_arguments_in_pieces_are_put_where_their_path_says() -> None:
    """Objects, lists and quoted names; text goes on as long as pieces of its path come."""
    pieces = [
        {"jsonPath": "$.trip.name", "stringValue": "To ", "willContinue": True},
        {"jsonPath": "$.trip.name", "stringValue": "Berlin"},
        {"jsonPath": "$.trip.stops[0].city", "stringValue": "Ulm"},
        {"jsonPath": "$.trip.stops[1].city", "stringValue": "Köln"},
        {"jsonPath": "$['first class']", "boolValue": True},
        {"jsonPath": '$["seats"]', "numberValue": 2},
        {"jsonPath": "$.note", "nullValue": "NULL_VALUE"},
    ]
    summary = decoded(
        chunk(call(name="book", id="c1", willContinue=True)),
        *(chunk(call(partialArgs=[piece], willContinue=True)) for piece in pieces),
        chunk(call(), finish="STOP"),
    )
    (made,) = summary.tool_calls
    assert (made.id, made.name) == ("c1", "book")
    assert made.arguments == {
        "trip": {"name": "To Berlin", "stops": [{"city": "Ulm"}, {"city": "Köln"}]},
        "first class": True,
        "seats": 2,
        "note": None,
    }


def test_a_call_that_was_cut_keeps_what_came() -> None:
    """The arguments so far are told where the stream broke off."""
    summary = decoded(
        chunk(call(name="get", willContinue=True)),
        chunk(
            call(partialArgs=[{"jsonPath": "$.city", "stringValue": "Ber", "willContinue": True}], willContinue=True)
        ),
    )
    assert summary.tool_calls[0].arguments == {"city": "Ber"}


def test_a_call_that_names_itself_in_each_piece_is_one_call() -> None:
    """While a call is open, its own name begins nothing new; another name does."""
    pieces = [
        call(name="get", willContinue=True),
        call(name="get", partialArgs=[{"jsonPath": "$.a", "stringValue": "1"}], willContinue=True),
        call(name="put", args={"b": 2}),
    ]
    summary = decoded(*(chunk(piece) for piece in pieces))
    assert [(each.name, each.arguments) for each in summary.tool_calls] == [("get", {"a": "1"}), ("put", {"b": 2})]


@pytest.mark.parametrize(
    "path", ["$", "", "$..", "$.a[999999999].b", "$" + ".a" * 5000, "$[", "$.a['", "[0][0]", "$.$"]
)
def test_an_odd_path_costs_no_more_than_its_length(path: str) -> None:
    """No path makes a long list or a deep object; what is no path is the name of an argument."""
    piece = {"jsonPath": path, "numberValue": 1}
    (made,) = decoded(chunk(call(name="get", partialArgs=[piece, piece]))).tool_calls
    assert len(json.dumps(made.arguments)) < 2 * len(path) + 30


@given(st.lists(st.text(alphabet="$.[]'\"a0 ", max_size=12), max_size=6))
def test_any_paths_together_make_one_object(paths: list[str]) -> None:
    """Paths that contradict one another are survived as well."""
    pieces = [{"jsonPath": path, "stringValue": "x"} for path in paths]
    (made,) = decoded(chunk(call(name="get", partialArgs=pieces))).tool_calls
    assert isinstance(made.arguments, dict)


def test_code_that_the_model_ran_is_a_call_with_a_result() -> None:
    """Code and output belong together by id, or by their order where there is none."""
    summary = decoded(
        chunk({"executableCode": {"language": "PYTHON", "code": "1/0", "id": "e1"}}),
        chunk({"executableCode": {"language": "PYTHON", "code": "print(1)", "id": "e2"}}),
        chunk({"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "ZeroDivisionError", "id": "e1"}}),
        chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}),
        chunk({"toolCall": {"toolType": "GOOGLE_SEARCH"}}, {"inlineData": {"mimeType": "image/png", "data": ""}}),
    )
    assert [(each.arguments["code"], each.result, each.is_error) for each in summary.tool_calls] == [
        ("1/0", "ZeroDivisionError", True),
        ("print(1)", "1\n", False),
    ]
    assert summary.extra["server_parts"] == ["code_execution_result", "executable_code", "tool_call"]
    assert summary.extra["media"] == ["image/png"]


def test_a_result_without_its_code_makes_no_call() -> None:
    """Output alone is named among the server parts only."""
    summary = decoded(chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}))
    assert summary.tool_calls == []
    assert summary.extra["server_parts"] == ["code_execution_result"]
