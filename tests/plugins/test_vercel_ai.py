"""The streams of the Vercel AI SDK are decoded as its own client reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import assert_survives, frame_of, spoiled
from hypothesis import given
from hypothesis import strategies as st
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
from ui_parts import part, parts, text

import tracekit_vercel_ai
from tracekit.decoding import Ended, Frame, Unreadable
from tracekit.types import Framing
from tracekit_vercel_ai import UiMessageStreamDecoder

FORMATS = ("ui-message-stream", "data-stream-v1")
UI_HEADER = {"x-vercel-ai-ui-message-stream": "v1"}
DATA_HEADER = {"x-vercel-ai-data-stream": "v1"}


@pytest.mark.parametrize("stream", cases(*FORMATS))
def test_a_recorded_stream_says_what_the_sdks_own_client_read(stream: RecordedStream) -> None:
    """Text, reasoning, calls with state and output, metadata: all as `readUIMessageStream` or `callChatApi` has it."""
    summary = decode_body(tracekit_vercel_ai, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra
    expected_calls = stream.expected.get("tool_calls") or []
    assert summary.extra.get("tool_states", []) == [
        {"id": call["id"], "state": call["state"]} for call in expected_calls
    ]
    assert [call.result for call in summary.tool_calls] == [call.get("output") for call in expected_calls]


@pytest.mark.parametrize("stream", cases())
def test_of_all_recorded_streams_only_the_sdks_are_claimed(stream: RecordedStream) -> None:
    """The frames alone tell, though no header names the protocol."""
    frames = frames_of(stream.body, stream.framing)
    claim = claim_of(tracekit_vercel_ai, stream_head(stream.framing), frames)
    if stream.format in FORMATS:
        assert claim is not None
        assert claim.certainty >= 0.8
        assert claim.decoder().wire_format == stream.format
    else:
        assert claim is None or claim.certainty <= 0.5


@pytest.mark.parametrize(
    ("framing", "headers", "wire_format"),
    [
        (Framing.SSE, UI_HEADER, "ui-message-stream"),
        (Framing.NDJSON, DATA_HEADER, "data-stream-v1"),
        (Framing.SSE, {"x-vercel-ai-data-stream": "v2"}, "ui-message-stream"),
    ],
)
def test_the_header_alone_is_certain(framing: Framing, headers: dict[str, str], wire_format: str) -> None:
    """A stream that ended before its first frame is still known by its header."""
    claim = claim_of(tracekit_vercel_ai, stream_head(framing, response_headers=headers), [])
    assert claim is not None
    assert (claim.certainty, claim.decoder().wire_format) == (1.0, wire_format)


def test_a_bare_start_part_waits_for_a_surer_one() -> None:
    """`{"type": "start"}` may be anybody's; with the next part it is the SDK's."""
    frames = frames_of(sse_body(part("start"), part("start-step")))
    first = claim_of(tracekit_vercel_ai, stream_head(), frames[:1])
    both = claim_of(tracekit_vercel_ai, stream_head(), frames)
    assert first is not None
    assert both is not None
    assert first.certainty < 0.8 <= both.certainty


def test_a_line_that_does_not_fit_makes_a_body_no_data_stream() -> None:
    """One line of `code:json` in a text that is something else proves nothing."""
    frames = frames_of(b'0:"Hi"\nand so on\n', Framing.NDJSON)
    claim = claim_of(tracekit_vercel_ai, stream_head(Framing.NDJSON), frames[:1])
    assert claim is not None
    assert claim.decoder().wire_format == "data-stream-v1"
    head = stream_head(Framing.NDJSON)
    assert tracekit_vercel_ai.tracekit_stream_decoder(head=head, frames=frames) is None


# Text and reasoning


def test_ids_of_text_begin_anew_in_each_step() -> None:
    """`"id": "0"` of the second step is another part, though it never said `text-start`."""
    summary = parts(
        *(part("start-step"), part("text-start", id="0"), text("one"), part("text-end", id="0"), part("finish-step")),
        *(part("start-step"), text("two"), part("finish-step")),
    )
    assert summary.text_parts == ["one", "two"]


def test_the_same_id_started_again_is_another_part() -> None:
    """A part begins with its start, whatever its id was used for before."""
    assert parts(text("a"), part("text-start", id="0"), text("b")).text_parts == ["a", "b"]


def test_parts_that_interleave_are_kept_apart() -> None:
    """Two texts at once are put together by id."""
    assert parts(text("a", "x"), text("1", "y"), text("b", "x"), text("2", "y")).text_parts == ["ab", "12"]


def test_reasoning_and_text_of_one_id_are_two_things() -> None:
    """Ids of reasoning are counted apart from those of text."""
    summary = parts(part("reasoning-start", id="0"), part("reasoning-delta", id="0", delta="hm"), text("Yes"))
    assert (summary.reasoning, summary.text) == ("hm", "Yes")


# Metadata, sources, data, endings


def test_metadata_is_merged_as_the_client_merges_it() -> None:
    """Objects are merged member by member; anything else is replaced."""
    summary = parts(
        part("start", messageMetadata={"a": {"x": 1, "y": [1]}, "b": 1}),
        part("message-metadata", messageMetadata={"a": {"y": [2], "z": None}}),
        part("finish", messageMetadata={"b": {"c": 3}}),
    )
    assert summary.extra["message_metadata"] == {"a": {"x": 1, "y": [2], "z": None}, "b": {"c": 3}}


def test_metadata_nested_deeper_than_python_recurses_is_merged() -> None:
    """The sender decides how deep it is; the decoder survives it."""
    depth = 900
    deep = json.loads('{"a":' * depth + "1" + "}" * depth)
    decoder = UiMessageStreamDecoder()
    for _ in range(2):
        list(decoder.feed(frame_of(part("message-metadata", messageMetadata=deep))))
    assert any(getattr(fact, "name", "") == "message_metadata" for fact in decoder.finish())


@pytest.mark.parametrize(
    "metadata",
    [
        {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": None}},
        {"totalUsage": {"inputTokens": 5, "outputTokens": 2}},
        {"inputTokens": 5, "outputTokens": 2},
        {"usage": {"promptTokens": 5, "completionTokens": 2}},
    ],
)
def test_token_counts_are_found_where_apps_put_them(metadata: dict[str, Any]) -> None:
    """The protocol has no place for usage; the documentation's examples do."""
    assert parts(part("finish", messageMetadata=metadata)).usage == {"input_tokens": 5, "output_tokens": 2}


def test_details_of_token_counts_have_common_names() -> None:
    """AI SDK 6 moved the details into objects of their own."""
    usage = {"inputTokenDetails": {"cacheReadTokens": 3}, "outputTokenDetails": {"reasoningTokens": 4}}
    assert parts(part("finish", messageMetadata={"usage": usage})).usage == {
        "cache_read_input_tokens": 3,
        "reasoning_tokens": 4,
    }


def test_the_model_is_known_where_the_metadata_names_it() -> None:
    """The SDK's own example puts `model` there."""
    assert parts(part("start", messageMetadata={"model": "gpt-x"})).model == "gpt-x"


def test_sources_and_files_are_noted_without_the_files_themselves() -> None:
    """A data URL is a whole file: it stays in its frame."""
    summary = parts(
        part("source-url", sourceId="s", url="https://example.org", title="T", providerMetadata={"x": {}}),
        part("source-document", sourceId="d", mediaType="application/pdf", title="P"),
        part("file", url="data:image/png;base64,AAAA", mediaType="image/png"),
        part("reasoning-file", url="https://example.org/a.png", mediaType="image/png"),
    )
    assert summary.extra["sources"] == [
        {"type": "source-url", "sourceId": "s", "url": "https://example.org", "title": "T"},
        {"type": "source-document", "sourceId": "d", "title": "P", "mediaType": "application/pdf"},
    ]
    assert [file["url"] for file in summary.extra["files"]] == [None, "https://example.org/a.png"]


def test_a_data_part_replaces_the_one_of_its_id_and_a_transient_one_is_dropped() -> None:
    """The client keeps one part for each type and id."""
    summary = parts(
        part("data-weather", id="w", data={"status": "loading"}),
        part("data-note", data=1),
        part("data-weather", id="w", data={"status": "done"}),
        part("data-toast", data="Hello", transient=True),
    )
    assert summary.extra["data_parts"] == [
        {"type": "data-weather", "id": "w", "data": {"status": "done"}},
        {"type": "data-note", "data": 1},
    ]


def test_a_finish_without_a_reason_has_none() -> None:
    """AI SDK 5 gave no reason."""
    summary = parts(text("Hi"), part("finish"))
    assert (summary.finish_reason, summary.ended) == (None, True)


def test_an_error_is_kept_though_finish_and_done_follow() -> None:
    """The stream ends in form, but it failed."""
    summary = parts(part("error", errorText="Overloaded"), part("finish", finishReason="error"))
    assert summary.error is not None
    assert (summary.error.message, summary.finish_reason, summary.ended) == ("Overloaded", "error", True)


@pytest.mark.parametrize(("members", "noted"), [({}, True), ({"reason": "user"}, "user")])
def test_an_aborted_stream_says_so(members: dict[str, Any], noted: Any) -> None:
    """An abort is no error."""
    summary = parts(part("abort", **members))
    assert (summary.extra["aborted"], summary.error) == (noted, None)


def test_a_stream_cut_off_has_not_ended() -> None:
    """Without `finish` or `[DONE]` nobody knows whether more would have come."""
    assert not decode_frames(UiMessageStreamDecoder(), frames_of(sse_body(text("Hi")))).ended


@pytest.mark.parametrize("payload", ["{", "[]", '"text"', "{}", '{"type": 1}', '{"type": "unheard-of"}'])
def test_what_is_no_part_is_unreadable(payload: str) -> None:
    """Such a frame is counted, and the stream goes on."""
    with pytest.raises(Unreadable):
        list(UiMessageStreamDecoder().feed(Frame(f"data: {payload}\n\n".encode())))


# Whatever is sent

UI_PARTS = [
    part("start", messageId="m", messageMetadata={"usage": {"inputTokens": 1}, "model": "x"}),
    part("start-step"),
    *(
        part(f"{kind}-{step}", id="0", delta="Hi")
        for kind in ("text", "reasoning")
        for step in ("start", "delta", "end")
    ),
    part("tool-input-start", toolCallId="c", toolName="f", providerExecuted=True),
    part("tool-input-delta", toolCallId="c", inputTextDelta="{"),
    part("tool-input-available", toolCallId="c", toolName="f", input={}),
    part("tool-input-error", toolCallId="c", toolName="f", input={}, errorText="x"),
    part("tool-approval-request", toolCallId="c", approvalId="a"),
    part("tool-output-available", toolCallId="c", output={}, preliminary=False),
    part("tool-output-error", toolCallId="c", errorText="x"),
    part("tool-output-denied", toolCallId="c"),
    part("source-url", sourceId="s", url="u", title="t"),
    part("file", url="u", mediaType="m"),
    part("data-x", id="i", data=1, transient=False),
    part("finish-step"),
    part("error", errorText="x"),
    part("abort", reason="r"),
    part("finish", finishReason="stop", messageMetadata={"totalTokens": 3}),
    *(
        frame.json
        for stream in recorded_streams()
        if stream.format == "ui-message-stream"
        for frame in frames_of(stream.body)[:20]
        if frame.data != b"[DONE]" and len(frame.data) < 1000
    ),
]


@given(spoiled(UI_PARTS))
def test_no_json_makes_the_ui_message_decoder_fail(documents: list[Any]) -> None:
    """Any value in any place is read or refused, never a fault."""
    assert_survives(UiMessageStreamDecoder, documents, Framing.SSE)


@given(spoiled(UI_PARTS), st.sampled_from(list(Framing)))
def test_no_frame_makes_the_claim_fail(documents: list[Any], framing: Framing) -> None:
    """The question is put to every plugin for every stream."""
    frames = [frame_of(document, framing) for document in documents]
    claim_of(tracekit_vercel_ai, stream_head(framing), frames)


def test_the_end_is_told_as_soon_as_it_is_seen() -> None:
    """A client that leaves after `finish` has the whole answer, `[DONE]` or not."""
    facts = list(UiMessageStreamDecoder().feed(frame_of(part("finish"))))
    assert Ended() in facts
