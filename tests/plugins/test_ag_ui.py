"""AG-UI runs are decoded as the protocol's own client reads them."""

from __future__ import annotations

from typing import Any

import pytest
from ag_ui_events import QUESTION, content, event, run, said, snapshot
from hostile_json import assert_survives, frame_of, spoiled
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import (
    RecordedStream,
    assert_as_expected,
    cases,
    claim_of,
    decode_body,
    frames_of,
    recorded_streams,
    sse_body,
    stream_head,
)

import tracekit_ag_ui
from tracekit.decoding import Frame, Text, Unreadable
from tracekit.types import Framing
from tracekit_ag_ui import AgUiDecoder


@pytest.mark.parametrize("stream", cases("ag-ui"))
def test_a_recorded_run_says_what_the_protocols_own_client_read(stream: RecordedStream) -> None:
    """Text, reasoning, calls and results are those of the messages that `HttpAgent` ends with."""
    summary = decode_body(tracekit_ag_ui, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra


@pytest.mark.parametrize("stream", cases())
def test_of_all_recorded_streams_only_ag_ui_is_claimed(stream: RecordedStream) -> None:
    """The frames alone tell: the protocol has no header of its own."""
    frames = frames_of(stream.body, stream.framing)
    claim = claim_of(tracekit_ag_ui, stream_head(stream.framing), frames)
    if stream.format == "ag-ui":
        assert claim is not None
        assert claim.certainty >= 0.8
        assert claim.decoder().wire_format == "ag-ui"
    else:
        assert claim is None or claim.certainty <= 0.5


def test_types_that_others_may_use_are_claimed_with_doubt() -> None:
    """`CUSTOM` is anybody's word, and a body that is cut anyhow is nobody's."""
    frames = [frame_of(event("CUSTOM", name="x", value=1))]
    claim = claim_of(tracekit_ag_ui, stream_head(), frames)
    assert claim is not None
    assert claim.certainty < 0.5
    assert claim_of(tracekit_ag_ui, stream_head(Framing.WHOLE), frames) is None


# Text and reasoning


def test_snake_case_is_read_like_camel_case() -> None:
    """Python servers that dump their models without aliases write `message_id`."""
    summary = run(
        event("RUN_STARTED", thread_id="t", run_id="r"),
        event("TEXT_MESSAGE_START", message_id="m", role="assistant"),
        event("TEXT_MESSAGE_CONTENT", message_id="m", delta="Hi"),
        event("TOOL_CALL_START", tool_call_id="c", tool_call_name="f", parent_message_id="m"),
        event("TOOL_CALL_ARGS", tool_call_id="c", delta="[1]"),
        event("TOOL_CALL_END", tool_call_id="c"),
        event("TOOL_CALL_RESULT", tool_call_id="c", message_id="n", content="ok"),
    )
    assert (summary.text, summary.extra["thread_id"], summary.extra["run_id"]) == ("Hi", "t", "r")
    assert [(call.id, call.name, call.arguments, call.result) for call in summary.tool_calls] == [("c", "f", [1], "ok")]


def test_messages_that_interleave_are_kept_apart() -> None:
    """Two agents may write at once."""
    summary = run(content("a", "x"), content("1", "y"), content("b", "x"), content("2", "y"))
    assert summary.text_parts == ["ab", "12"]


@pytest.mark.parametrize("kind", ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CHUNK"])
def test_what_others_than_the_assistant_say_is_no_answer(kind: str) -> None:
    """A server may stream the user's or a system message back."""
    assert run(event(kind, messageId="u", role="user", delta="Q"), content("Q", "u"), content("A")).text == "A"


def test_text_chunks_without_an_id_continue_the_message_before() -> None:
    """Only the first chunk of a message must name it."""
    summary = run(
        event("TEXT_MESSAGE_CHUNK", messageId="m", role="assistant", delta="a"),
        event("TEXT_MESSAGE_CHUNK", delta="b"),
        event("TEXT_MESSAGE_CHUNK", messageId="n", delta="c"),
    )
    assert summary.text_parts == ["ab", "c"]


def test_raw_events_and_states_do_not_repeat_the_text() -> None:
    """They carry what the framework below has said already."""
    raw = {"event": "on_chat_model_stream", "data": {"chunk": {"content": "Hi"}}}
    summary = run(
        content("Hi"),
        event("RAW", event=raw),
        event("STATE_SNAPSHOT", snapshot={"messages": [said("Hi")]}),
        event("STATE_DELTA", delta=[{"op": "add", "path": "/text", "value": "Hi"}]),
        event("ACTIVITY_SNAPSHOT", messageId="p", activityType="PLAN", content={"text": "Hi"}),
        event("ACTIVITY_DELTA", messageId="p", activityType="PLAN", patch=[]),
        event("CUSTOM", name="x", value="Hi"),
        event("STEP_STARTED", stepName="s"),
    )
    assert (summary.text, summary.extra) == ("Hi", {})


def test_reasoning_messages_are_told_apart_by_id() -> None:
    """Chunks of reasoning may leave the id out as chunks of text do."""
    summary = run(
        event("REASONING_START", messageId="r"),
        event("REASONING_MESSAGE_CONTENT", messageId="r", delta="one"),
        event("REASONING_MESSAGE_CHUNK", messageId="s", delta="tw"),
        event("REASONING_MESSAGE_CHUNK", delta="o"),
        event("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="r", encryptedValue="c2VjcmV0"),
    )
    assert summary.reasoning_parts == ["one", "two"]


def test_the_older_thinking_events_are_reasoning() -> None:
    """They name no message, so each start begins one."""
    start, piece = event("THINKING_TEXT_MESSAGE_START"), event("THINKING_TEXT_MESSAGE_CONTENT", delta="hm")
    assert run(event("THINKING_START"), start, piece, piece, start, piece).reasoning_parts == ["hmhm", "hm"]


# Endings


@pytest.mark.parametrize("outcome", ["interrupt", {"type": "interrupt", "interrupts": [{"id": "i", "reason": "ask"}]}])
def test_the_outcome_is_the_reason_the_run_ended(outcome: Any) -> None:
    """Drafts of the protocol had a word where it now has an object."""
    summary = run(event("RUN_FINISHED", threadId="t", runId="r", outcome=outcome, result={"x": 1}))
    assert (summary.finish_reason, summary.ended, summary.extra["result"]) == ("interrupt", True, {"x": 1})
    assert ("interrupts" in summary.extra) == isinstance(outcome, dict)


def test_token_counts_are_summed_over_the_models_of_a_run() -> None:
    """`usage` has an entry for each provider and model."""
    usage = [
        {"model": "gpt-x", "inputTokens": 5, "outputTokens": 2, "cachedInputTokens": 1},
        {"model": "gpt-y", "inputTokens": 7, "reasoningTokens": 3},
        "nonsense",
    ]
    summary = run(event("RUN_FINISHED", threadId="t", runId="r", usage=usage))
    assert summary.model == "gpt-x"
    assert summary.usage == {"input_tokens": 12, "output_tokens": 2, "cached_input_tokens": 1, "reasoning_tokens": 3}


def test_a_run_that_failed_has_failed_though_it_says_that_it_finished() -> None:
    """Some servers send `RUN_FINISHED` after `RUN_ERROR`."""
    summary = run(event("RUN_ERROR", message="Overloaded", code="503"), event("RUN_FINISHED", threadId="t", runId="r"))
    assert summary.error is not None
    assert (summary.error.message, summary.error.code) == ("Overloaded", "503")


def test_a_failed_run_without_a_message_has_failed_all_the_same() -> None:
    """The type says enough."""
    failure = run(event("RUN_ERROR")).error
    assert failure is not None
    assert failure.message == "RUN_ERROR"


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        [],
        {},
        {"type": ["RAW"]},
        event("UNHEARD_OF"),
        event("TEXT_MESSAGE_CONTENT", messageId="m"),
        event("TOOL_CALL_ARGS", delta="x"),
        event("TOOL_CALL_CHUNK", delta="x"),
        event("MESSAGES_SNAPSHOT", messages={}),
    ],
)
def test_what_is_no_event_is_unreadable(wrong: Any) -> None:
    """Such a frame is counted, and the stream goes on."""
    with pytest.raises(Unreadable):
        list(AgUiDecoder().feed(Frame(sse_body(wrong))))


# Whatever is sent

EVENTS = [
    event("RUN_STARTED", threadId="t", runId="r", input={"messages": [QUESTION]}),
    event("TEXT_MESSAGE_START", messageId="m", role="assistant"),
    content("Hi"),
    event("TEXT_MESSAGE_CHUNK", messageId="m", role="assistant", delta="Hi"),
    event("TOOL_CALL_START", toolCallId="c", toolCallName="f", parentMessageId="m"),
    event("TOOL_CALL_ARGS", toolCallId="c", delta="{"),
    event("TOOL_CALL_CHUNK", toolCallId="c", toolCallName="f", delta="}"),
    event("TOOL_CALL_RESULT", toolCallId="c", messageId="n", content="ok"),
    event("REASONING_MESSAGE_CHUNK", messageId="r", delta="hm"),
    event("THINKING_TEXT_MESSAGE_CONTENT", delta="hm"),
    snapshot(
        QUESTION,
        said([{"type": "text", "text": "Hi"}], toolCalls=[{"id": "c", "function": {"name": "f", "arguments": "{}"}}]),
        {"id": "r", "role": "tool", "toolCallId": "c", "content": "42"},
        {"id": "t", "role": "reasoning", "content": "hm"},
    ),
    event("RUN_FINISHED", outcome={"type": "interrupt", "interrupts": []}, usage=[{"model": "x", "inputTokens": 1}]),
    event("RUN_ERROR", message="x", code="y"),
    *(
        frame.json
        for stream in recorded_streams()
        if stream.format == "ag-ui"
        for frame in frames_of(stream.body)[:20]
        if len(frame.data) < 1500
    ),
]


@given(spoiled(EVENTS))
def test_no_json_makes_the_decoder_fail(documents: list[Any]) -> None:
    """Any value in any place is read or refused, never a fault."""
    assert_survives(AgUiDecoder, documents, Framing.SSE)


@given(spoiled(EVENTS), st.sampled_from(list(Framing)))
def test_no_frame_and_no_request_makes_the_claim_fail(documents: list[Any], framing: Framing) -> None:
    """The question is put to every plugin for every stream, whatever was asked."""
    head = stream_head(framing, request_body=documents[0])
    claim_of(tracekit_ag_ui, head, [frame_of(document, framing) for document in documents])


@given(st.lists(st.tuples(st.sampled_from("mn"), st.text(max_size=3)), max_size=12))
def test_every_piece_of_text_is_told_once_and_in_order(pieces: list[tuple[str, str]]) -> None:
    """However messages interleave, and though a snapshot repeats them."""
    decoder = AgUiDecoder()
    facts = [fact for message, text in pieces for fact in decoder.feed(frame_of(content(text, message)))]
    whole = {message: "".join(text for each, text in pieces if each == message) for message in "mn"}
    list(decoder.feed(frame_of(snapshot(QUESTION, *(said(text, f"new-{message}") for message, text in whole.items())))))
    facts += decoder.finish()
    assert [fact.text for fact in facts if isinstance(fact, Text)] == [text for _, text in pieces if text]
