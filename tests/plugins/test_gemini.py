"""Gemini's streams are decoded as Google's own client decodes them."""

from __future__ import annotations

from typing import Any

import pytest
from gemini_chunks import USAGE, call, chunk, decoded, sse
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

import tracekit_gemini
from tracekit.decoding import Unreadable
from tracekit.types import Framing


@pytest.mark.parametrize("stream", cases("gemini"))
def test_a_recorded_stream_means_what_the_official_client_says(stream: RecordedStream) -> None:
    """Text, thoughts, calls and counts are those that Google's client finds; no frame is unreadable."""
    summary = decode_body(tracekit_gemini, stream.body)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra


@pytest.mark.parametrize("stream", cases())
def test_only_gemini_streams_are_claimed(stream: RecordedStream) -> None:
    """Of every recorded stream of every format the plugin is sure of its own, and of no other even half."""
    claim = claim_of(tracekit_gemini, stream_head(stream.framing), frames_of(stream.body, stream.framing))
    certainty = claim.certainty if claim else 0.0
    assert certainty >= SURE if stream.format == "gemini" else certainty <= 0.5


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.replace(b"\r\n", b"\n"),
        lambda body: body.replace(b"\r\n", b"\r"),
        lambda body: body.rstrip(b"\r\n"),
    ],
    ids=["bom", "no-space", "lf", "cr", "no-final-blank-line"],
)
def test_the_way_a_stream_is_written_does_not_change_its_meaning(rewrite: Any) -> None:
    """Line ends and a byte order mark are matters of transport."""
    body = sse(chunk({"text": "15°"}), chunk({"text": "C"}, finish="STOP", usageMetadata=USAGE))
    summary = decode_body(tracekit_gemini, rewrite(body))
    assert (summary.text, summary.finish_reason, summary.model) == ("15°C", "STOP", "gemini-x")
    assert "unreadable_frames" not in summary.extra


def test_thoughts_are_reasoning() -> None:
    """A part marked as thought is not text; a signature says nothing."""
    summary = decoded(
        chunk({"text": "Hm", "thought": True}, {"text": "A"}, {"text": ""}),
        chunk({"text": "", "thoughtSignature": "c2ln"}, {"text": "B", "thought": False}, finish="STOP"),
    )
    assert (summary.reasoning, summary.text) == ("Hm", "AB")


def test_counts_are_totals_of_which_the_last_holds() -> None:
    """Each chunk repeats the counts; thoughts and cached input have names of their own."""
    first = {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6}
    last = {**USAGE, "cachedContentTokenCount": 4, "trafficType": "ON_DEMAND", "promptTokensDetails": []}
    summary = decoded(
        chunk({"text": "A"}, usageMetadata=first), chunk({"text": "B"}, finish="STOP", usageMetadata=last)
    )
    assert summary.usage == {
        "input_tokens": 5,
        "output_tokens": 2,
        "reasoning_tokens": 3,
        "cached_input_tokens": 4,
        "total_tokens": 10,
    }


def test_counts_of_a_stream_that_broke_off_are_kept() -> None:
    """Without a finish reason the last totals that came are told all the same."""
    assert decoded(chunk({"text": "A"}, usageMetadata={"promptTokenCount": 5})).usage == {"input_tokens": 5}


def test_counts_after_the_finish_reason_are_heard() -> None:
    """The counts may come in a chunk of their own, without candidates."""
    summary = decoded(chunk({"text": "A"}, finish="STOP"), {"usageMetadata": USAGE})
    assert summary.usage is not None
    assert summary.usage["output_tokens"] == 2
    assert summary.ended


def test_the_end_is_known_by_a_finish_reason_with_counts() -> None:
    """Early Gemini models wrote STOP into every chunk, so a reason alone does not mean the end."""
    assert not decoded(chunk({"text": "A"}, finish="STOP")).ended
    assert not decoded(chunk({"text": "A"}, usageMetadata=USAGE)).ended
    assert decoded(chunk({"text": "A"}, finish="STOP", usageMetadata=USAGE)).ended


def test_candidates_are_choices() -> None:
    """Several candidates interleave; the stream has ended when each of them has."""
    one = chunk({"text": "b1"}, index=1, finish="MAX_TOKENS", usageMetadata=USAGE)
    other = chunk({"text": "a2"}, finish="STOP", usageMetadata=USAGE)
    begun = chunk({"text": "a1"}, index=None)
    summary = decoded(begun, one, other)
    assert [(choice.text, choice.finish_reason) for choice in summary.choices] == [
        ("a1a2", "STOP"),
        ("b1", "MAX_TOKENS"),
    ]
    assert summary.ended
    assert not decoded(begun, one).ended


def test_candidates_without_an_index_are_told_apart_by_their_place() -> None:
    """Two candidates in one chunk are two choices."""
    content = [{"content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    assert [choice.text for choice in decoded({"candidates": content}).choices] == ["a", "b"]


def test_a_blocked_prompt_says_why_and_has_ended() -> None:
    """There are no candidates; an unknown reason is kept as it is."""
    summary = decoded({"promptFeedback": {"blockReason": "NEW_REASON", "blockReasonMessage": "Not this."}})
    assert summary.extra == {"block_reason": "NEW_REASON", "block_reason_message": "Not this."}
    assert (summary.text, summary.finish_reason, summary.ended) == ("", None, True)


def test_an_unknown_finish_reason_is_kept_as_it_is() -> None:
    """A candidate may have no content at all, and a reason that did not exist when this was written."""
    candidate = {"finishReason": "MALFORMED_SOMETHING", "finishMessage": "It was odd.", "index": 0}
    summary = decoded({"candidates": [candidate], "usageMetadata": USAGE})
    assert summary.finish_reason == "MALFORMED_SOMETHING"
    assert summary.extra["finish_message"] == "It was odd."


def test_an_error_is_a_failure() -> None:
    """Errors come in Google's common form, in mid-stream or alone."""
    error = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
    for summary in (decoded(error), decoded(chunk({"text": "A"}), error)):
        assert summary.error is not None
        assert (summary.error.message, summary.error.code) == ("Quota exceeded", "RESOURCE_EXHAUSTED")


def test_the_envelope_of_code_assist_is_opened() -> None:
    """The same chunks come inside a `response` there."""
    summary = decoded({"response": chunk({"text": "Hi"}, finish="STOP", usageMetadata=USAGE), "traceId": "t"})
    assert (summary.text, summary.model) == ("Hi", "gemini-x")


@pytest.mark.parametrize("document", [{}, {"choices": []}, [], None, "text", 7])
def test_what_is_no_chunk_is_unreadable(document: Any) -> None:
    """Anything without a member of a Gemini chunk is counted, not guessed at."""
    with pytest.raises(Unreadable):
        tracekit_gemini.GeminiDecoder().feed(frame_of(document))


CHUNKS = [
    chunk({"text": "Hi", "thought": True}, {"text": "A"}, usageMetadata=USAGE),
    chunk(call(name="get", id="c", args={"a": 1}), finish="STOP", finishMessage="m"),
    chunk(call(name="get", willContinue=True)),
    chunk(call(partialArgs=[{"jsonPath": "$.a[0].b", "stringValue": "x"}], willContinue=True)),
    chunk({"executableCode": {"code": "1", "id": "e"}}, {"codeExecutionResult": {"outcome": "O", "id": "e"}}),
    {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "m"}},
    {"error": {"code": 1, "message": "m", "status": "S"}},
    {"response": chunk({"inlineData": {"mimeType": "image/png"}})},
]


@given(spoiled(CHUNKS))
def test_any_json_in_any_place_is_survived(documents: list[Any]) -> None:
    """Whatever a stream holds, a frame is read or is unreadable; nothing else happens."""
    assert_survives(tracekit_gemini.GeminiDecoder, documents, Framing.SSE)


@given(spoiled(CHUNKS))
def test_claiming_survives_any_json(documents: list[Any]) -> None:
    """The question whose stream this is can be asked of anything."""
    claim_of(tracekit_gemini, stream_head(), [frame_of(document) for document in documents])
