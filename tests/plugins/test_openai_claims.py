"""Which streams the OpenAI plugin takes for its own."""

from __future__ import annotations

from typing import Any

import pytest
from stream_corpus import RecordedStream, cases, frames_of, sse_body, stream_head, surest_claim

import tracekit_openai

FORMATS = ("openai-chat", "openai-responses")
CHUNK = {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
ERROR = {"error": {"message": "Overloaded", "type": "server_error", "code": None}}


@pytest.mark.parametrize("stream", cases())
def test_the_first_frame_of_a_recorded_stream_decides_whose_it_is(stream: RecordedStream) -> None:
    """Its own formats are claimed surely with one frame, no other format is claimed with half a certainty."""
    frames, head = frames_of(stream.body, stream.framing), stream_head(stream.framing)
    if stream.format in FORMATS:
        claim = surest_claim(tracekit_openai, head, frames[:1])
        assert claim is not None
        assert claim.certainty >= 0.8
        assert claim.decoder().wire_format == stream.format
    else:
        claims = [surest_claim(tracekit_openai, head, frames[:count]) for count in (1, 2, 4, 8, 16)]
        assert all(claim is None or claim.certainty < 0.5 for claim in claims)


def _claim(*payloads: Any, path: str = "/") -> tuple[str, float] | None:
    claim = surest_claim(tracekit_openai, stream_head(path=path), frames_of(sse_body(*payloads)))
    return (claim.decoder().wire_format, claim.certainty) if claim else None


@pytest.mark.parametrize(
    "payload",
    [
        CHUNK,
        {"object": "text_completion", "choices": [{"index": 0, "text": "Hi"}]},
        {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": []},
        {"choices": [{"delta": {"content": "no object, no id"}}]},
        {"choices": [{"text": "no delta either"}]},
        {"object": "chat.completion", "choices": [{"message": {"content": "Hi"}}]},
    ],
)
def test_every_shape_of_a_chunk_is_claimed_as_chat(payload: Any) -> None:
    """A dialect that leaves out names is known by its shape."""
    name, certainty = _claim(payload) or ("", 0)
    assert name == "openai-chat"
    assert certainty >= 0.8


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.in_progress", "response": {}},
        {"type": "error", "sequence_number": 2, "code": "rate_limit", "message": "Slow down"},
        {"object": "response", "output": []},
    ],
)
def test_every_shape_of_an_event_is_claimed_as_responses(payload: Any) -> None:
    """Typed events, an error event and a whole response are all known."""
    name, certainty = _claim(payload) or ("", 0)
    assert name == "openai-responses"
    assert certainty >= 0.8


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/chat/completions", "openai-chat"), ("/v1/responses", "openai-responses")]
)
def test_an_error_alone_is_claimed_where_the_path_says_whose_it_is(path: str, name: str) -> None:
    """A stream that fails at once has no chunk to be known by."""
    assert _claim(ERROR, path=path) == (name, 0.8)


def test_an_error_alone_on_any_other_path_is_claimed_as_a_last_resort() -> None:
    """Somebody who knows better must be able to win."""
    assert _claim(ERROR) == ("openai-chat", 0.2)


@pytest.mark.parametrize(
    "payload",
    [
        {"error": "text says nothing about who sent it"},
        {"choices": "red or blue"},
        {"choices": [1, 2, 3]},
        {"type": ["response.created"]},
        {"object": {"chat.completion.chunk": 1}},
        {"type": "message_start", "message": {}},
        "[DONE]",
        "plain text",
        "[1, 2]",
        {},
    ],
)
def test_what_has_neither_shape_is_not_claimed(payload: Any) -> None:
    """Words that happen to be the same are no reason to claim a stream."""
    assert _claim(payload) is None


def test_a_stream_without_frames_is_not_claimed() -> None:
    """Nothing was said, so nothing is known."""
    assert _claim() is None


def test_a_doubtful_first_frame_is_settled_by_the_next() -> None:
    """An empty list of choices could be anybody's; the chunk after it could not."""
    assert _claim({"choices": []}) == ("openai-chat", 0.5)
    assert _claim({"choices": []}, CHUNK) == ("openai-chat", 0.95)
