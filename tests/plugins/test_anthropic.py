"""Anthropic's streams are decoded as Anthropic's own client decodes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_events import START, STOP, TEXT, block, decoded, delta, end_of_block, ending, sse, text
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

import tracekit_anthropic
from tracekit.decoding import Unreadable
from tracekit.types import Framing


@pytest.mark.parametrize("stream", cases("anthropic"))
def test_a_recorded_stream_means_what_the_official_client_says(stream: RecordedStream) -> None:
    """Text, thoughts, calls, counts and blocks are those that Anthropic's client finds; no frame is unreadable."""
    summary = decode_body(tracekit_anthropic, stream.body)
    expected = dict(stream.expected)
    calls = [{**call, "arguments": as_far_as_json(call)} for call in expected["tool_calls"]]
    assert_as_expected(summary, {**expected, "tool_calls": calls})
    assert "unreadable_frames" not in summary.extra


def as_far_as_json(call: dict[str, Any]) -> Any:
    """A call's arguments; the text itself where it was cut off, which the official client repairs by guessing."""
    try:
        json.loads(call.get("arguments_raw") or "{}")
    except ValueError:
        return call["arguments_raw"]
    return call["arguments"]


@pytest.mark.parametrize("stream", cases())
def test_only_anthropic_streams_are_claimed(stream: RecordedStream) -> None:
    """Of every recorded stream of every format the plugin is sure of its own, and of no other even half."""
    claim = claim_of(tracekit_anthropic, stream_head(stream.framing), frames_of(stream.body, stream.framing))
    certainty = claim.certainty if claim else 0.0
    assert certainty >= SURE if stream.format == "anthropic" else certainty <= 0.5


@pytest.mark.parametrize("skipped", [1, 2, 3])
def test_a_stream_whose_beginning_was_not_seen_is_claimed(skipped: int) -> None:
    """A recording that starts in mid-stream is known by whichever event comes first."""
    events = [START, TEXT, text("Hi"), ending(stop_reason="end_turn"), STOP]
    claim = claim_of(tracekit_anthropic, stream_head(), frames_of(sse(*events[skipped:])))
    assert claim is not None
    assert claim.certainty >= SURE


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"\n", b"\r"),
        lambda body: body.rstrip(b"\n"),
        lambda body: b"\n".join(line for line in body.split(b"\n") if not line.startswith(b"event:")),
        lambda body: body.replace(b"}\n", b"   }\n"),
        lambda body: body + b"data: [DONE]\n\n",
    ],
    ids=["bom", "no-space", "crlf", "cr", "no-final-blank-line", "no-event-lines", "padded", "done-at-the-end"],
)
def test_the_way_a_stream_is_written_does_not_change_its_meaning(rewrite: Any) -> None:
    """Line ends, a byte order mark, missing event lines and padding are matters of transport."""
    events = [START, TEXT, text("Hé"), text("llo"), ending(stop_reason="end_turn"), STOP]
    summary = decode_body(tracekit_anthropic, rewrite(sse(*events)))
    assert (summary.text, summary.finish_reason, summary.ended) == ("Héllo", "end_turn", True)
    assert "unreadable_frames" not in summary.extra


def test_an_error_event_is_a_failure() -> None:
    """An overload in mid-stream keeps the text so far and tells message and type of the error."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    summary = decoded(START, TEXT, text("Hal"), error)
    assert summary.text == "Hal"
    assert summary.error is not None
    assert (summary.error.message, summary.error.code) == ("Overloaded", "overloaded_error")
    assert not summary.ended


def test_a_stream_that_is_only_an_error_is_still_read() -> None:
    """A stream can fail before its message starts."""
    summary = decoded({"type": "error", "error": {"type": "api_error", "message": "Internal server error"}})
    assert summary.error is not None
    assert summary.error.message == "Internal server error"


@pytest.mark.parametrize("error", ["boom", {"message": "boom"}, {"type": "boom"}])
def test_an_error_of_a_proxy_is_a_failure_too(error: Any) -> None:
    """An object with an `error` and no type is what proxies send when the provider's connection breaks."""
    body = sse(START) + f"event: error\ndata: {json.dumps({'error': error})}\n\n".encode()
    summary = decode_body(tracekit_anthropic, body)
    assert summary.error is not None
    assert summary.error.message == "boom"


def test_counts_of_a_later_event_replace_those_of_the_first() -> None:
    """`message_delta` tells totals; what it leaves out or leaves null stays as the start told it."""
    first = {"input_tokens": 702, "output_tokens": 1, "cache_read_input_tokens": 5}
    start = {"type": "message_start", "message": {"id": "m", "usage": first}}
    last = {"input_tokens": 1591, "output_tokens": 20, "cache_read_input_tokens": None}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
    assert decoded(start, end, STOP).usage == {
        "input_tokens": 1591,
        "output_tokens": 20,
        "cache_read_input_tokens": 5,
    }


def test_a_message_delta_without_usage_keeps_the_counts() -> None:
    """Some proxies leave the usage out."""
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert decoded(START, end).usage == {"input_tokens": 9, "output_tokens": 1}


def test_thinking_tokens_are_counted_as_reasoning() -> None:
    """The part of the output that was thinking has the common name."""
    usage = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 12}}
    summary = decoded(START, {"type": "message_delta", "delta": {}, "usage": usage})
    assert summary.usage == {"input_tokens": 9, "output_tokens": 20, "reasoning_tokens": 12}


def test_a_refusal_says_why() -> None:
    """A refusal has no content; its details explain it where they do, and name its category."""
    details = {"type": "refusal", "category": "cyber", "explanation": "Blocked."}
    assert decoded(START, ending(stop_reason="refusal", stop_details=details)).refusal == "Blocked."
    assert decoded(START, ending(stop_reason="refusal", stop_details=None)).refusal == "refusal"


def test_the_text_completions_api_is_read() -> None:
    """The API before Messages streams `completion` events."""
    summary = decoded(
        {"type": "completion", "completion": " Hel", "stop_reason": None, "model": "claude-2.1"},
        {"type": "completion", "completion": "lo", "stop_reason": None, "model": "claude-2.1"},
        {"type": "completion", "completion": "", "stop_reason": "stop_sequence", "model": "claude-2.1", "stop": "\n"},
    )
    assert (summary.text, summary.model, summary.finish_reason) == (" Hello", "claude-2.1", "stop_sequence")
    assert summary.ended
    assert summary.extra == {"stop_sequence": "\n"}


def test_the_end_is_known_by_message_stop() -> None:
    """Only `message_stop` says that everything was sent."""
    assert not decoded(START, TEXT, text("Hi"), ending(stop_reason="end_turn")).ended
    assert decoded(START, TEXT, text("Hi"), ending(stop_reason="end_turn"), STOP).ended


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": None, "delta": []},
        {"type": "content_block_start", "index": [], "content_block": "text"},
        {"type": "message_start"},
        {"type": "message_delta", "delta": None},
        {"type": "error"} | {"error": 7},
        {"nothing": 1},
        {"type": ["content_block_delta"]},
        [],
        None,
    ],
)
def test_an_event_without_what_its_type_promises_is_unreadable(event: Any) -> None:
    """Wrong types are not guessed at."""
    with pytest.raises(Unreadable):
        tracekit_anthropic.MessagesDecoder().feed(frame_of(event))


@given(
    spoiled(
        [
            START,
            TEXT,
            text("Hi"),
            block(1, type="tool_use", id="t1", name="get", input={}),
            delta(1, type="input_json_delta", partial_json="{}"),
            delta(2, type="thinking_delta", thinking="Hm"),
            end_of_block(1),
            block(2, type="mcp_tool_result", tool_use_id="t1", is_error=True, content=[]),
            block(3, type="fallback", to={"model": "m"}),
            {**ending(stop_reason="refusal", stop_sequence="x", stop_details={"category": "c", "explanation": "e"})},
            {"type": "completion", "completion": "Hi", "stop_reason": "stop", "model": "m", "stop": "x"},
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            STOP,
        ]
    )
)
def test_any_json_in_any_place_is_survived(documents: list[Any]) -> None:
    """Whatever a stream holds, a frame is read or is unreadable; nothing else happens."""
    assert_survives(tracekit_anthropic.MessagesDecoder, documents, Framing.SSE)


@given(spoiled([START, TEXT, text("Hi"), STOP]))
def test_claiming_survives_any_json(documents: list[Any]) -> None:
    """The question whose stream this is can be asked of anything."""
    claim_of(tracekit_anthropic, stream_head(), [frame_of(document) for document in documents])
