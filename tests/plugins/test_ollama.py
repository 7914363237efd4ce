"""Ollama's streams are decoded as Ollama's own client decodes them."""

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

import tracekit_ollama
from tracekit.decoding import Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing

LAST: dict[str, Any] = {
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 5,
    "eval_count": 2,
    "eval_duration": 9,
    "context": [1],
}


def chat(content: str = "", **others: Any) -> dict[str, Any]:
    """A line of /api/chat."""
    thought = {"thinking": others.pop("thinking")} if "thinking" in others else {}
    calls = {"tool_calls": others.pop("tool_calls")} if "tool_calls" in others else {}
    message = {"role": "assistant", "content": content, **thought, **calls}
    return {"model": "llama3", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **others}


def generate(response: str = "", **others: Any) -> dict[str, Any]:
    """A line of /api/generate."""
    return {"model": "llama3", "created_at": "2026-01-01T00:00:00Z", "response": response, "done": False, **others}


def ndjson(*lines: Any) -> bytes:
    """Documents, one a line."""
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def decoded(*lines: Any) -> Summary:
    """What the plugin makes of a stream of these lines."""
    return decode_body(tracekit_ollama, ndjson(*lines), framing=Framing.NDJSON)


@pytest.mark.parametrize("stream", cases("ollama"))
def test_a_recorded_stream_means_what_the_official_client_says(stream: RecordedStream) -> None:
    """Text, thoughts, calls and counts are those that Ollama's client finds; no line is unreadable."""
    summary = decode_body(tracekit_ollama, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)
    assert "unreadable_frames" not in summary.extra


@pytest.mark.parametrize("stream", cases())
def test_only_ollama_streams_are_claimed(stream: RecordedStream) -> None:
    """Of every recorded stream of every format the plugin is sure of its own, and of no other even half."""
    claim = claim_of(tracekit_ollama, stream_head(stream.framing), frames_of(stream.body, stream.framing))
    certainty = claim.certainty if claim else 0.0
    assert certainty >= SURE if stream.format == "ollama" else certainty <= 0.5


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.rstrip(b"\n"),
    ],
    ids=["bom", "crlf", "no-final-line-end"],
)
def test_the_way_a_stream_is_written_does_not_change_its_meaning(rewrite: Any) -> None:
    """Line ends and a byte order mark are matters of transport."""
    summary = decode_body(tracekit_ollama, rewrite(ndjson(chat("A"), chat("B"), chat(**LAST))), framing=Framing.NDJSON)
    assert (summary.text, summary.finish_reason, summary.ended) == ("AB", "stop", True)
    assert "unreadable_frames" not in summary.extra


def test_lines_relayed_as_server_sent_events_are_read_as_well() -> None:
    """An app may pass Ollama's lines on in the framing that browsers like."""
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in (generate("A"), generate("B", **LAST))).encode()
    summary = decode_body(tracekit_ollama, body)
    assert (summary.text, summary.extra) == ("AB", {"endpoint": "generate"})


def test_thoughts_are_reasoning_where_ollama_tells_them_apart() -> None:
    """Both endpoints have a field for thoughts; a tag inside the answer stays as it is."""
    assert decoded(chat(thinking="Hm"), chat("<think>x</think>A")).reasoning == "Hm"
    assert decoded(chat(thinking="Hm"), chat("<think>x</think>A")).text == "<think>x</think>A"
    assert decoded(generate(thinking="Hm"), generate("A")).reasoning == "Hm"


def test_calls_come_whole_in_lines_before_the_last() -> None:
    """Arguments are objects; newer servers send an id, some proxies send the arguments as text."""
    summary = decoded(
        chat(tool_calls=[{"function": {"name": "a", "arguments": {"x": 1}}}, {"function": {"name": "a"}}]),
        chat(tool_calls=[{"id": "call_1", "function": {"index": 0, "name": "b", "arguments": '{"y": 2}'}}]),
        chat(**LAST),
    )
    assert [(each.id, each.name, each.arguments) for each in summary.tool_calls] == [
        (None, "a", {"x": 1}),
        (None, "a", {}),
        ("call_1", "b", {"y": 2}),
    ]
    assert summary.finish_reason == "stop"


def test_the_last_line_has_the_counts() -> None:
    """A prompt that was in the cache is not counted, and its count is then absent, not 0."""
    assert decoded(chat("A"), chat(**LAST)).usage == {"input_tokens": 5, "output_tokens": 2}
    uncounted = {name: value for name, value in LAST.items() if name != "prompt_eval_count"}
    assert decoded(chat("A"), chat(**uncounted)).usage == {"output_tokens": 2}


def test_an_old_server_ends_without_a_reason() -> None:
    """`done` alone is the end."""
    summary = decoded(chat("A"), chat(done=True))
    assert (summary.finish_reason, summary.ended) == (None, True)


@pytest.mark.parametrize("error", ["model runner has stopped", {"message": "model runner has stopped"}])
def test_an_error_line_is_a_failure(error: Any) -> None:
    """An error in mid-stream is a line of its own."""
    summary = decoded(chat("Hal"), {"error": error})
    assert summary.text == "Hal"
    assert summary.error is not None
    assert summary.error.message == "model runner has stopped"
    assert not summary.ended


def test_an_error_alone_is_claimed_where_the_path_is_ollamas() -> None:
    """A line with nothing but an error could be anybody's."""
    frames = frames_of(ndjson({"error": "model not found"}), Framing.NDJSON)
    assert claim_of(tracekit_ollama, stream_head(Framing.NDJSON), frames) is None
    claim = claim_of(tracekit_ollama, stream_head(Framing.NDJSON, "/api/chat"), frames)
    assert claim is not None
    (fact,) = claim.decoder().feed(frames[0])
    assert "model not found" in str(fact)


@pytest.mark.parametrize("document", [{}, {"choices": []}, {"message": "text"}, [], None, 7])
def test_what_is_no_line_of_ollamas_is_unreadable(document: Any) -> None:
    """Anything without an answer, an end or an error is counted, not guessed at."""
    with pytest.raises(Unreadable):
        tracekit_ollama.OllamaDecoder().feed(frame_of(document, Framing.NDJSON))


LINES = [
    chat("A", thinking="Hm"),
    chat(tool_calls=[{"id": "c", "function": {"name": "a", "arguments": {"x": 1}}}]),
    chat(**LAST),
    generate("A", thinking="Hm"),
    generate(**LAST),
    {"error": "m"},
]


@given(spoiled(LINES))
def test_any_json_in_any_place_is_survived(documents: list[Any]) -> None:
    """Whatever a stream holds, a line is read or is unreadable; nothing else happens."""
    assert_survives(tracekit_ollama.OllamaDecoder, documents, Framing.NDJSON)


@given(spoiled(LINES))
def test_claiming_survives_any_json(documents: list[Any]) -> None:
    """The question whose stream this is can be asked of anything."""
    frames = [frame_of(document, Framing.NDJSON) for document in documents]
    claim_of(tracekit_ollama, stream_head(Framing.NDJSON, "/api/chat"), frames)
