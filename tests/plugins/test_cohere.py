"""Cohere's streams are decoded as Cohere's own client decodes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import assert_survives, frame_of, spoiled
from hypothesis import given
from stream_corpus import (
    SURE,
    RecordedStream,
    assert_as_expected,
    cases,
    claim_of,
    decode_body,
    frames_of,
    stream_head,
)

import tracekit_cohere
from tracekit.decoding import Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing

START: dict[str, Any] = {"id": "1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}}
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 2},
    "tokens": {"input_tokens": 70, "output_tokens": 3, "reasoning_tokens": 1},
    "cached_tokens": 60,
}
END: dict[str, Any] = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}}


def event(kind: str, index: int | None = 0, **message: Any) -> dict[str, Any]:
    """An event with a message in its delta."""
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


def text(piece: str) -> dict[str, Any]:
    """A piece of text."""
    return event("content-delta", content={"text": piece})


def call(kind: str, index: int | None = 0, arguments: str = "", **head: Any) -> dict[str, Any]:
    """A piece of a call."""
    name = {"name": head.pop("name")} if "name" in head else {}
    return event(kind, index, tool_calls={**head, "function": {**name, "arguments": arguments}})


def sse(*events: dict[str, Any]) -> bytes:
    """Events as Cohere sends them."""
    lines = [f"event: {each.get('type')}\ndata: {json.dumps(each)}\n\n" for each in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def decoded(*events: dict[str, Any]) -> Summary:
    """What the plugin makes of a stream of these events."""
    return decode_body(tracekit_cohere, sse(*events))


@pytest.mark.parametrize("stream", cases("cohere-v2"))
def test_a_recorded_stream_means_what_the_official_client_says(stream: RecordedStream) -> None:
    """Text, thoughts, plan, calls and counts are those that Cohere's client finds; no frame is unreadable."""
    summary = decode_body(tracekit_cohere, stream.body)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra


@pytest.mark.parametrize("stream", cases())
def test_only_cohere_streams_are_claimed(stream: RecordedStream) -> None:
    """Of every recorded stream of every format the plugin is sure of its own, and of no other even half."""
    claim = claim_of(tracekit_cohere, stream_head(stream.framing), frames_of(stream.body, stream.framing))
    certainty = claim.certainty if claim else 0.0
    assert certainty >= SURE if stream.format == "cohere-v2" else certainty <= 0.5


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.replace(b"\n", b"\r"),
        lambda body: b"\n".join(line for line in body.split(b"\n") if not line.startswith(b"event:")),
    ],
    ids=["bom", "no-space", "cr", "no-event-lines"],
)
def test_the_way_a_stream_is_written_does_not_change_its_meaning(rewrite: Any) -> None:
    """Line ends, a byte order mark and missing event lines are matters of transport."""
    summary = decode_body(tracekit_cohere, rewrite(sse(START, text("Ahoy"), text(" °"), END)))
    assert (summary.text, summary.finish_reason, summary.ended) == ("Ahoy °", "COMPLETE", True)
    assert "unreadable_frames" not in summary.extra


def test_thoughts_and_text_are_told_apart() -> None:
    """Content may begin with something in it; citations are no text."""
    summary = decoded(
        START,
        event("content-start", content={"type": "thinking", "thinking": "H"}),
        event("content-delta", content={"thinking": "m"}),
        event("content-start", 1, content={"type": "text", "text": "A"}),
        event("content-delta", 1, content={"text": "B"}),
        event("citation-start", 0, citations={"start": 0, "end": 1, "text": "A", "sources": []}),
        {"type": "citation-end", "index": 0},
        END,
    )
    assert (summary.reasoning, summary.text) == ("Hm", "AB")


def test_a_plan_is_no_text() -> None:
    """What the model says it will do with its tools is kept under its own name."""
    summary = decoded(
        START, event("tool-plan-delta", None, tool_plan="I "), event("tool-plan-delta", None, tool_plan="will.")
    )
    assert summary.text == ""
    assert summary.extra == {"tool_plan": "I will."}


def test_calls_are_put_together() -> None:
    """Calls without arguments, without an index, with one used again, and in a list are all calls."""
    summary = decoded(
        START,
        call("tool-call-start", 0, id="a", type="function", name="one"),
        {"type": "tool-call-end", "index": 0},
        call("tool-call-start", 0, id="b", name="two"),
        call("tool-call-delta", 0, '{"x": '),
        call("tool-call-delta", 0, "1}"),
        {"type": "tool-call-end", "index": 0},
        call("tool-call-start", None, '{"y": 2}', id="c", name="three"),
        {"type": "tool-call-end"},
        event("tool-call-start", 1, tool_calls=[{"id": "d", "function": {"name": "four", "arguments": '{"cut'}}]),
    )
    assert [(each.id, each.name, each.arguments) for each in summary.tool_calls] == [
        ("a", "one", {}),
        ("b", "two", {"x": 1}),
        ("c", "three", {"y": 2}),
        ("d", "four", '{"cut'),
    ]


def test_billed_and_real_tokens_have_names_of_their_own() -> None:
    """The prompt that Cohere adds is in the tokens and not on the bill."""
    assert decoded(START, END).usage == {
        "input_tokens": 70,
        "output_tokens": 3,
        "reasoning_tokens": 1,
        "billed_input_tokens": 5,
        "billed_output_tokens": 2,
        "cached_input_tokens": 60,
    }


def test_an_error_at_the_end_is_a_failure() -> None:
    """A message can end with an error instead of usage."""
    summary = decoded(START, text("A"), {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "boom"}})
    assert summary.error is not None
    assert summary.error.message == "boom"
    assert (summary.text, summary.finish_reason) == ("A", "ERROR")


def test_an_error_in_place_of_an_event_is_a_failure() -> None:
    """A gateway answers with the message of an ordinary API error."""
    summary = decoded(START, {"message": "service unavailable"})
    assert summary.error is not None
    assert summary.error.message == "service unavailable"


def test_an_unknown_event_is_passed_over() -> None:
    """New events, and those for debugging, are no errors."""
    summary = decoded(START, {"type": "debug", "prompt": "..."}, text("A"), END)
    assert summary.text == "A"
    assert "unreadable_frames" not in summary.extra


def version_one(framing: Framing) -> bytes:
    """A stream of the API's first version."""
    events: list[dict[str, Any]] = [
        {"event_type": "stream-start", "is_finished": False, "generation_id": "g"},
        {"event_type": "text-generation", "is_finished": False, "text": "A"},
        {"event_type": "text-generation", "is_finished": False, "text": "hoy"},
        {"event_type": "tool-calls-generation", "tool_calls": [{"name": "get", "parameters": {"x": 1}}]},
        {
            "event_type": "stream-end",
            "is_finished": True,
            "finish_reason": "COMPLETE",
            "response": {"text": "Ahoy", "meta": {"tokens": {"input_tokens": 7, "output_tokens": 2}}},
        },
    ]
    form = "data: {}\n\n" if framing is Framing.SSE else "{}\n"
    return "".join(form.format(json.dumps(each)) for each in events).encode()


@pytest.mark.parametrize("framing", [Framing.SSE, Framing.NDJSON])
def test_version_one_is_read(framing: Framing) -> None:
    """The whole response that ends a stream of version 1 does not repeat the text."""
    body = version_one(framing)
    claim = claim_of(tracekit_cohere, stream_head(framing), frames_of(body, framing))
    assert claim is not None
    assert claim.decoder().wire_format == "cohere-v1"
    summary = decode_body(tracekit_cohere, body, framing=framing)
    assert (summary.text, summary.finish_reason, summary.ended) == ("Ahoy", "COMPLETE", True)
    assert summary.usage == {"input_tokens": 7, "output_tokens": 2}
    assert [(each.name, each.arguments) for each in summary.tool_calls] == [("get", {"x": 1})]


def test_version_one_can_end_with_an_error() -> None:
    """The finish reason is the error's code."""
    end = {"event_type": "stream-end", "finish_reason": "ERROR_TOXIC", "response": None}
    body = f"data: {json.dumps(end)}\n\n".encode()
    summary = decode_body(tracekit_cohere, body)
    assert summary.error is not None
    assert summary.error.code == "ERROR_TOXIC"


@pytest.mark.parametrize(
    "document",
    [
        {"type": "content-delta", "index": None, "delta": []},
        {"type": "tool-call-delta", "index": {}, "delta": {"message": None}},
        {"type": "message-end"},
        {"nothing": 1},
        [],
        "text",
    ],
)
def test_an_event_without_what_its_type_promises_is_unreadable(document: Any) -> None:
    """Wrong types are not guessed at."""
    with pytest.raises(Unreadable):
        tracekit_cohere.ChatV2Decoder().feed(frame_of(document))
    with pytest.raises(Unreadable):
        tracekit_cohere.ChatV1Decoder().feed(frame_of(document))


V2_EVENTS = [
    START,
    text("Hi"),
    event("content-start", content={"thinking": "Hm"}),
    event("tool-plan-delta", tool_plan="I will"),
    call("tool-call-start", 0, "{", id="a", name="one"),
    call("tool-call-delta", 0, "}"),
    {"type": "tool-call-end", "index": 0},
    {"type": "error", "message": "m"},
    END,
]
V1_EVENTS = [json.loads(line) for line in version_one(Framing.NDJSON).splitlines()]


@given(spoiled(V2_EVENTS))
def test_any_json_in_any_place_is_survived(documents: list[Any]) -> None:
    """Whatever a stream holds, a frame is read or is unreadable; nothing else happens."""
    assert_survives(tracekit_cohere.ChatV2Decoder, documents, Framing.SSE)


@given(spoiled(V1_EVENTS))
def test_any_json_in_any_place_of_version_one_is_survived(documents: list[Any]) -> None:
    """The older decoder is as hard to break."""
    assert_survives(tracekit_cohere.ChatV1Decoder, documents, Framing.NDJSON)


@given(spoiled([*V2_EVENTS, *V1_EVENTS]))
def test_claiming_survives_any_json(documents: list[Any]) -> None:
    """The question whose stream this is can be asked of anything."""
    claim_of(tracekit_cohere, stream_head(), [frame_of(document) for document in documents])
