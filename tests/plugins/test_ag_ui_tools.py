"""Tool calls and snapshots of AG-UI runs are read as the protocol's own client reads them."""

from __future__ import annotations

from ag_ui_events import QUESTION, content, event, run, said, snapshot
from hostile_json import frame_of
from stream_corpus import decode_body, sse_body

import tracekit_ag_ui
from tracekit.decoding import Fact, ToolFinished
from tracekit_ag_ui import AgUiDecoder

# Tools


def test_a_call_without_arguments_is_a_call_all_the_same() -> None:
    """Some servers send no `TOOL_CALL_ARGS` where there are none."""
    begin, end = event("TOOL_CALL_START", toolCallId="c", toolCallName="f"), event("TOOL_CALL_END", toolCallId="c")
    call = run(begin, end).tool_calls[0]
    assert (call.arguments, call.arguments_raw, call.has_result) == ({}, "", False)


def test_arguments_told_again_after_the_end_are_not_doubled() -> None:
    """Servers that stream a call sometimes tell it whole once more."""
    begin = event("TOOL_CALL_START", toolCallId="c", toolCallName="f")
    told = [event("TOOL_CALL_ARGS", toolCallId="c", delta='{"a":1}'), event("TOOL_CALL_END", toolCallId="c")]
    summary = run(begin, *told, begin, *told)
    assert [call.arguments for call in summary.tool_calls] == [{"a": 1}]


def test_a_call_in_chunks_is_put_together_and_ends_with_whatever_comes_next() -> None:
    """Chunks have no end of their own; events that say nothing may stand between them."""
    decoder = AgUiDecoder()
    events = [
        event("TOOL_CALL_CHUNK", toolCallId="c", toolCallName="f", delta="{"),
        event("RAW", event={}),
        event("TOOL_CALL_CHUNK", delta="}"),
        event("TOOL_CALL_CHUNK", toolCallId="d", toolCallName="g"),
        event("RUN_FINISHED", threadId="t", runId="r"),
    ]
    facts: list[list[Fact]] = [list(decoder.feed(frame_of(each))) for each in events]
    ended_at = {
        fact.key: number for number, told in enumerate(facts) for fact in told if isinstance(fact, ToolFinished)
    }
    assert ended_at == {"c": 3, "d": 4}
    assert [call.arguments for call in run(*events).tool_calls] == [{}, {}]


def test_results_are_noted_in_the_order_they_came() -> None:
    """Calls that run at once finish in any order; a result may be a list of parts."""
    summary = run(
        *(event("TOOL_CALL_START", toolCallId=key, toolCallName="f") for key in "cd"),
        event("TOOL_CALL_RESULT", toolCallId="d", content=[{"type": "text", "text": "second"}]),
        event("TOOL_CALL_RESULT", toolCallId="c", content="first", error="boom"),
    )
    assert [entry["id"] for entry in summary.extra["tool_results"]] == ["d", "c"]
    assert [call.is_error for call in summary.tool_calls] == [True, False]


def test_a_result_of_a_call_from_an_earlier_run_names_its_call() -> None:
    """After an interrupt the result comes in a run of its own."""
    summary = run(event("TOOL_CALL_RESULT", toolCallId="c", content="done"))
    assert [(call.id, call.name, call.result) for call in summary.tool_calls] == [("c", None, "done")]


# Snapshots


def test_a_snapshot_that_repeats_the_stream_changes_nothing() -> None:
    """Ids differ between stream and snapshot, and servers trim the text."""
    summary = run(content("Hi "), content("there "), snapshot(QUESTION, said("Hi there", "other")))
    assert summary.text_parts == ["Hi there "]


def test_what_only_a_snapshot_says_is_told_at_the_end() -> None:
    """Servers that do not stream send a snapshot instead, or beside what they stream."""
    parts = [{"type": "text", "text": "Second."}, {"type": "image", "source": {}}]
    summary = run(content("First."), snapshot(QUESTION, said("First.", "x"), said(parts, "y")))
    assert summary.text_parts == ["First.", "Second."]


def test_calls_and_results_that_only_a_snapshot_tells_are_told() -> None:
    """A snapshot has calls as OpenAI writes them, and results as messages of the tool; told twice they count once."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    result = {"id": "r", "role": "tool", "toolCallId": "c", "content": "42"}
    told = snapshot(QUESTION, said(None, toolCalls=[call]), result)
    summary = run(told, told)
    assert [(call.id, call.name, call.arguments, call.result) for call in summary.tool_calls] == [
        ("c", "f", {"a": 1}, "42")
    ]
    assert summary.extra["tool_results"] == [{"id": "c", "content": "42"}]


def test_the_history_in_a_snapshot_is_no_answer() -> None:
    """What stands before the last question was said in an earlier run."""
    history = [QUESTION, said("Noon.", "old"), {**QUESTION, "id": "q2"}]
    assert run(snapshot(*history, said("Still noon.", "new"))).text == "Still noon."


def test_messages_that_the_run_was_started_with_are_no_answer() -> None:
    """After a tool of the browser, history does not end with a question; the request or the first event tells it."""
    history = [QUESTION, said("Noon.", "old"), {"id": "r", "role": "tool", "toolCallId": "c", "content": "42"}]
    told = snapshot(*history, said("Still noon.", "new"))
    started = event("RUN_STARTED", threadId="t", runId="r", input={"messages": history})
    by_event = run(started, told)
    by_request = decode_body(tracekit_ag_ui, sse_body(told), request_body={"messages": history})
    assert by_event.text == by_request.text == "Still noon."
    assert by_event.tool_calls == by_request.tool_calls == []


def test_text_under_an_id_that_a_snapshot_dropped_begins_another_message() -> None:
    """A snapshot replaces all messages; one that it keeps goes on."""
    first, second = said("a", "kept"), said("b", "renamed")
    summary = run(
        content("a", "kept"), content("b", "m"), snapshot(QUESTION, first, second), content("c", "kept"), content("d")
    )
    assert summary.text_parts == ["ac", "b", "d"]


def test_reasoning_in_a_snapshot_counts_where_none_was_streamed() -> None:
    """Ids of reasoning are not stable either, so what was streamed goes first."""
    thought = {"id": "t", "role": "reasoning", "content": "hm"}
    assert run(snapshot(QUESTION, thought, said("Hi"))).reasoning == "hm"
    streamed = event("REASONING_MESSAGE_CONTENT", messageId="r", delta="hm")
    assert run(streamed, snapshot(QUESTION, thought, said("Hi"))).reasoning_parts == ["hm"]
