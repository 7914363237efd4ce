"""Runs of LangGraph and streams of LangServe are decoded as LangChain's own clients read them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import spoiled
from hypothesis import given
from langchain_messages import (
    HUMAN,
    Event,
    ai,
    call,
    calls_of,
    chunk,
    graph,
    piece,
    serve,
    streamed,
    tool,
    values,
    yielded,
)
from stream_corpus import (
    RecordedStream,
    assert_as_expected,
    cases,
    claim_of,
    decode_body,
    decode_frames,
    frames_of,
    recorded_streams,
    sse_body,
    stream_head,
)

import tracekit_langchain
from tracekit.decoding import Frame, Unreadable
from tracekit.types import Framing
from tracekit_langchain import LangGraphDecoder, LangServeDecoder

FORMATS = ("langgraph", "langserve")


@pytest.mark.parametrize("stream", cases(*FORMATS))
def test_a_recorded_stream_says_what_langchains_own_client_read(stream: RecordedStream) -> None:
    """In every mode, and in several modes at once."""
    summary = decode_body(tracekit_langchain, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra


@pytest.mark.parametrize("stream", cases())
def test_of_all_recorded_streams_only_langchains_are_claimed(stream: RecordedStream) -> None:
    """The frames alone tell: the servers have no header of their own."""
    frames = frames_of(stream.body, stream.framing)
    claim = claim_of(tracekit_langchain, stream_head(stream.framing), frames)
    if stream.format in FORMATS:
        assert claim is not None
        assert claim.certainty >= 0.8
        assert claim.decoder().wire_format == stream.format
    else:
        assert claim is None or claim.certainty <= 0.5


def claimed(*events: Event, path: str = "/") -> tuple[str, float] | None:
    """Format and certainty of the claim on these first events."""
    claim = claim_of(tracekit_langchain, stream_head(path=path), frames_of(sse_body(*events)))
    return (claim.decoder().wire_format, claim.certainty) if claim else None


STARTED: Event = ("metadata", {"run_id": "r"})


@pytest.mark.parametrize(
    ("events", "wire_format"),
    [
        ([("metadata", {"run_id": "r", "attempt": 1})], "langgraph"),
        ([STARTED, ("values", {"anything": 1})], "langgraph"),
        ([STARTED, ("custom|sub:1", "progress")], "langgraph"),
        ([STARTED, ("data", {"anything": 1})], "langserve"),
        ([piece(chunk("Hi"))], "langgraph"),
        ([values(HUMAN)], "langgraph"),
        ([("updates|sub:1", {"messages": [ai("Hi")]})], "langgraph"),
        ([("events", {"event": "on_chain_start", "data": {}})], "langgraph"),
        ([("messages/partial", [])], "langgraph"),
        ([("data", chunk("Hi"))], "langserve"),
        ([("data", {"event": "on_chain_start", "data": {}})], "langserve"),
    ],
)
def test_names_and_payloads_together_are_sure(events: list[Event], wire_format: str) -> None:
    """A stream that is joined late has no `metadata`, and older servers count no attempts."""
    name, certainty = claimed(*events) or ("", 0.0)
    assert name == wire_format
    assert certainty >= 0.8


@pytest.mark.parametrize("event", [STARTED, ("values", [1]), ("data", '"Hi"'), ("messages", {"text": "Hi"})])
def test_names_that_anybody_may_use_are_claimed_with_doubt(event: Event) -> None:
    """Somebody who knows better must be able to win."""
    assert (claimed(event) or ("", 0.0))[1] <= 0.5


@pytest.mark.parametrize(
    ("path", "wire_format"), [("/threads/t/runs/stream", "langgraph"), ("/chain/stream", "langserve")]
)
def test_the_path_decides_where_the_first_event_does_not(path: str, wire_format: str) -> None:
    """A run that failed at once has nothing but `metadata` and `error`."""
    assert (claimed(STARTED, ("error", {"message": "x"}), path=path) or ("", 0.0))[0] == wire_format


# Events of astream_events


def test_events_tell_a_message_once() -> None:
    """Pieces, the model's output and the outputs of all chains around it are the same words."""
    events = [
        streamed("on_chat_model_start", input={"messages": [[HUMAN]]}),
        streamed("on_chat_model_stream", chunk=chunk("Hi")),
        streamed("on_chat_model_end", output=chunk("Hi there", tool_calls=[call({"a": 1})])),
        streamed("on_tool_end", output=tool("42")),
        streamed("on_tool_end", output="a tool that no model called"),
        streamed("on_chain_end", output={"messages": [HUMAN, ai("Hi there")]}),
        {**streamed("on_chain_end", output={"messages": [HUMAN, ai("Hi there", "other")]}), "parent_ids": []},
    ]
    for summary in (graph(*(("events", event) for event in events)), yielded(*events)):
        assert (summary.text, calls_of(summary)) == ("Hi there", [("c", "f", {"a": 1}, "42")])


def test_version_one_of_the_events_is_read() -> None:
    """It wraps the model's output in generations."""
    output = {"generations": [[{"text": "Hi", "message": ai("Hi")}]]}
    assert yielded(streamed("on_chat_model_end", output=output)).text == "Hi"


@pytest.mark.parametrize("piece", ["Hi", {"text": "Hi", "type": "GenerationChunk"}])
def test_models_that_know_no_messages_stream_text(piece: Any) -> None:
    """Completion models yield text, or generations of it."""
    assert yielded(streamed("on_llm_stream", chunk=piece), streamed("on_llm_stream", chunk=piece)).text == "HiHi"


@pytest.mark.parametrize("output", ["Hi", {"messages": [HUMAN, ai("Hi", None)]}])
def test_the_output_of_the_whole_chain_counts_where_no_model_spoke(output: Any) -> None:
    """A node may answer without a model."""
    assert graph(("events", {**streamed("on_chain_end", output=output), "parent_ids": []})).text == "Hi"


# LangServe


def test_what_a_runnable_yields_is_text_messages_or_objects_with_either() -> None:
    """Prompt, model and parser each end a chain differently."""
    assert yielded("Hi ", "", "you").text == "Hi you"
    assert yielded(chunk("Hi ", None), chunk("you", None)).text == "Hi you"
    assert yielded({"context": ["long"]}, {"answer": "Hi "}, {"answer": "you"}).text == "Hi you"
    assert yielded({"answer": chunk("Hi ", None)}, {"answer": chunk("you", None)}).text == "Hi you"
    assert yielded({"output": "Hi", "messages": [ai("Hi")]}).text == "Hi"
    assert yielded({"agent": {"messages": [ai("Hi")]}}, {"tools": {"messages": [tool("42")]}}).text == "Hi"
    assert yielded([ai("Hi")], 7, None).text == "Hi"


def test_the_log_of_a_stream_is_read_where_its_output_is_added() -> None:
    """`/stream_log` sends JSON patches; most of them are about the runs below."""
    summary = yielded(
        {"ops": [{"op": "replace", "path": "", "value": {"streamed_output": [], "final_output": None}}]},
        {"ops": [{"op": "add", "path": "/logs/x/streamed_output_str/-", "value": "Hi"}]},
        {"ops": [{"op": "add", "path": "/streamed_output/-", "value": chunk("Hi")}]},
        {"ops": [{"op": "replace", "path": "/final_output", "value": ai("Hi")}]},
    )
    assert summary.text == "Hi"


def test_a_langserve_stream_ends_with_its_own_event() -> None:
    """`end` has an empty payload."""
    summary = serve(("metadata", {"run_id": "r"}), ("data", '"Hi"'), ("end", ""))
    assert (summary.text, summary.ended, summary.extra) == ("Hi", True, {"run_id": "r"})


# Errors


@pytest.mark.parametrize(
    ("payload", "message", "code"),
    [
        ({"error": "APIError", "message": "An internal error occurred"}, "An internal error occurred", "APIError"),
        ({"status_code": 500, "message": "Internal Server Error"}, "Internal Server Error", "500"),
        ({"error": "GraphRecursionError"}, "GraphRecursionError", None),
        ({"detail": 1}, '{"detail":1}', None),
        ('"broken"', "broken", None),
        ("broken", "broken", None),
        ([1], "[1]", None),
    ],
)
def test_an_error_is_read_in_every_form(payload: Any, message: str, code: str | None) -> None:
    """Both servers say what went wrong, each in its own way."""
    for failure in (graph(("error", payload)).error, serve(("error", payload)).error):
        assert failure is not None
        assert (failure.message, failure.code) == (message, code)


@pytest.mark.parametrize(
    ("decoder", "event"),
    [
        (LangGraphDecoder, ("messages", {"content": "Hi"})),
        (LangGraphDecoder, ("messages", [])),
        (LangGraphDecoder, ("messages/partial", {})),
        (LangGraphDecoder, ("updates", [])),
        (LangGraphDecoder, ("values", "{")),
        (LangServeDecoder, ("data", "{")),
        (LangServeDecoder, ("unheard-of", 1)),
    ],
)
def test_what_is_not_of_the_format_is_unreadable(decoder: Any, event: Event) -> None:
    """Such a frame is counted, and the stream goes on."""
    with pytest.raises(Unreadable):
        list(decoder().feed(Frame(sse_body(event))))


# Whatever is sent

EVENTS: list[Any] = [
    list(event)
    for event in (
        ("metadata", {"run_id": "r", "attempt": 1}),
        values(HUMAN, ai("Hi", tool_calls=[call({})], usage_metadata={"input_tokens": 1}), tool("42", id="t")),
        piece(chunk("Hi", tool_call_chunks=[call("{", index=0)]), ls_model_name="x"),
        piece(
            chunk([{"type": "thinking", "thinking": "hm"}], response_metadata={"model_name": "x", "stop_reason": "y"})
        ),
        ("messages/partial", [ai([{"type": "text", "text": "Hi"}], invalid_tool_calls=[call("{")])]),
        ("messages/complete", [HUMAN, ai("Hi"), tool([{"type": "text", "text": "42"}], status="error")]),
        ("messages/metadata", {"m": {"metadata": {"ls_model_name": "x"}}}),
        ("updates", {"agent": {"messages": [ai("Hi")]}, "__interrupt__": [{"value": 1}]}),
        ("events", streamed("on_chat_model_stream", chunk=chunk("Hi"))),
        ("events", streamed("on_chat_model_end", output={"generations": [[{"message": ai("Hi")}]]})),
        ("events", {**streamed("on_chain_end", output={"messages": [HUMAN, ai("Hi")]}), "parent_ids": []}),
        ("events", streamed("on_tool_end", output=tool("42"))),
        ("data", {"ops": [{"op": "add", "path": "/streamed_output/-", "value": chunk("Hi")}]}),
        ("data", {"lc": 1, "type": "constructor", "id": ["AIMessageChunk"], "kwargs": chunk("Hi")}),
        ("data", {"answer": chunk("Hi"), "messages": [ai("Hi")]}),
        ("error", {"error": "x", "message": "y", "status_code": 500}),
        ("end", None),
    )
] + [
    [frame.event, frame.json]
    for stream in recorded_streams()
    if stream.format in FORMATS
    for frame in frames_of(stream.body)[:12]
    if frame.data and len(frame.data) < 3000
]


def _frames(documents: list[Any]) -> list[Frame]:
    """Spoiled pairs of event name and payload as frames; what is no pair any more has no name."""
    frames = []
    for document in documents:
        name = document[0] if isinstance(document, list) and len(document) == 2 else None
        is_name = isinstance(name, str) and name.isprintable() and name.isascii()
        payload = f"data: {json.dumps(document[1] if is_name else document)}\n\n"
        frames.append(Frame((f"event: {name}\n" if is_name else "").encode() + payload.encode()))
    return frames


@given(spoiled(EVENTS))
def test_no_json_makes_a_decoder_fail(documents: list[Any]) -> None:
    """Any value in any place is read or refused, never a fault."""
    for decoder in (LangGraphDecoder(), LangServeDecoder()):
        decode_frames(decoder, _frames(documents))


@given(spoiled(EVENTS))
def test_no_frame_makes_the_claim_fail(documents: list[Any]) -> None:
    """The question is put to every plugin for every stream."""
    claim_of(tracekit_langchain, stream_head(), _frames(documents))


@pytest.mark.parametrize("framing", [Framing.NDJSON, Framing.WHOLE])
def test_what_is_no_event_stream_is_not_claimed(framing: Framing) -> None:
    """Both servers send server-sent events only."""
    assert claim_of(tracekit_langchain, stream_head(framing), [Frame(b'{"messages": []}', framing)]) is None
