"""The tool calls of a UI message stream are those that the AI SDK's own client shows."""

from __future__ import annotations

import pytest
from hostile_json import frame_of
from ui_parts import part, parts

from tracekit.decoding import ToolFinished
from tracekit_vercel_ai import UiMessageStreamDecoder


def test_a_call_told_whole_has_its_input_and_output() -> None:
    """Without `tool-input-start` the call begins with its input."""
    summary = parts(
        part("tool-input-available", toolCallId="c", toolName="f", input={"a": 1}, providerExecuted=True),
        part("tool-output-available", toolCallId="c", output=[2]),
    )
    call = summary.tool_calls[0]
    assert (call.id, call.name, call.arguments, call.kind) == ("c", "f", {"a": 1}, "provider-executed")
    assert (call.result, call.is_error) == ([2], False)
    assert summary.extra["tool_states"] == [{"id": "c", "state": "output-available"}]


def test_the_pieces_of_an_input_are_put_together() -> None:
    """A call whose stream broke off keeps what came of its input."""
    summary = parts(
        part("tool-input-start", toolCallId="c", toolName="f"),
        part("tool-input-delta", toolCallId="c", inputTextDelta='{"q": "wea'),
    )
    assert summary.tool_calls[0].arguments == '{"q": "wea'
    assert summary.extra["tool_states"] == [{"id": "c", "state": "input-streaming"}]


def test_a_result_completes_arguments_that_no_part_completed() -> None:
    """Some servers send no `tool-input-available`; the result tells that the input is whole."""
    decoder = UiMessageStreamDecoder()
    start = part("tool-input-start", toolCallId="c", toolName="f")
    list(decoder.feed(frame_of(start)))
    facts = list(decoder.feed(frame_of(part("tool-output-available", toolCallId="c", output=1))))
    assert any(isinstance(fact, ToolFinished) for fact in facts)


def test_an_input_that_no_tool_takes_is_an_error_with_its_arguments() -> None:
    """The arguments are shown with what was wrong with them."""
    summary = parts(part("tool-input-error", toolCallId="c", toolName="f", input={"a": 0}, errorText="No such tool"))
    call = summary.tool_calls[0]
    assert (call.arguments, call.result, call.is_error) == ({"a": 0}, "No such tool", True)
    assert summary.extra["tool_states"] == [{"id": "c", "state": "output-error"}]


def test_a_tool_that_failed_has_the_error_as_its_result() -> None:
    """`tool-output-error` carries text."""
    summary = parts(
        part("tool-input-available", toolCallId="c", toolName="f", input={}),
        part("tool-output-error", toolCallId="c", errorText="Timeout"),
    )
    assert (summary.tool_calls[0].result, summary.tool_calls[0].is_error) == ("Timeout", True)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("tool-approval-request", "approval-requested"), ("tool-output-denied", "output-denied")],
)
def test_a_call_that_waits_or_was_denied_has_a_state_and_no_result(kind: str, state: str) -> None:
    """A person stands between the call and its result."""
    summary = parts(
        part("tool-input-available", toolCallId="c", toolName="f", input={}),
        part(kind, toolCallId="c", approvalId="a"),
    )
    assert not summary.tool_calls[0].has_result
    assert summary.extra["tool_states"] == [{"id": "c", "state": state}]


def test_of_preliminary_outputs_only_the_final_one_counts() -> None:
    """A tool that yields while it works sends its output many times."""
    preliminary = [part("tool-output-available", toolCallId="c", output=n, preliminary=True) for n in (1, 2)]
    begun = part("tool-input-available", toolCallId="c", toolName="f", input={})
    final = part("tool-output-available", toolCallId="c", output=3)
    assert parts(begun, *preliminary, final).tool_calls[0].result == 3
    assert parts(begun, *preliminary).tool_calls[0].result == 2


def test_the_same_call_id_in_a_later_step_is_another_call() -> None:
    """Ids that a model makes up repeat; a result goes to the latest call of its id."""
    summary = parts(
        part("start-step"),
        part("tool-input-available", toolCallId="c", toolName="f", input=1),
        part("tool-output-available", toolCallId="c", output="one"),
        part("start-step"),
        part("tool-input-available", toolCallId="c", toolName="f", input=2),
        part("tool-output-available", toolCallId="c", output="two"),
    )
    assert [(call.id, call.arguments, call.result) for call in summary.tool_calls] == [("c", 1, "one"), ("c", 2, "two")]


def test_a_result_of_a_call_from_an_earlier_response_names_its_call() -> None:
    """After an approval the result comes in a stream of its own."""
    summary = parts(part("tool-output-available", toolCallId="c", output="done"))
    assert [(call.id, call.name, call.result) for call in summary.tool_calls] == [("c", None, "done")]
