"""Home-made streams are read as far as anyone can without knowing their format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import ANY_JSON, assert_survives, frame_of, spoiled
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import RecordedStream, cases, claim_of, decode_body, frames_of, stream_head

import tracekit_generic
from tracekit.decoding import Frame, Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing


def sse(*documents: Any) -> bytes:
    """JSON documents as server-sent events."""
    return "".join(f"data: {json.dumps(document)}\n\n" for document in documents).encode()


def decoded(*documents: Any) -> Summary:
    """What the plugin makes of a stream of these documents."""
    return decode_body(tracekit_generic, sse(*documents))


def wire_format(body: bytes, framing: Framing = Framing.SSE) -> str | None:
    """The format that the plugin says a body is in, None where it does not claim it."""
    claim = claim_of(tracekit_generic, stream_head(framing), frames_of(body, framing))
    return claim.decoder().wire_format if claim else None


@pytest.mark.parametrize("stream", cases())
def test_a_stream_of_a_known_format_is_never_claimed_with_certainty(stream: RecordedStream) -> None:
    """Whatever the recorded stream, whoever knows its format wins."""
    claim = claim_of(tracekit_generic, stream_head(stream.framing), frames_of(stream.body, stream.framing))
    assert claim is None or 0.1 <= claim.certainty <= 0.3


@pytest.mark.parametrize("name", ["delta", "content", "text", "message", "answer", "response", "token", "chunk"])
def test_text_is_found_under_the_usual_names(name: str) -> None:
    """At the top of the object, or one level below."""
    assert decoded({name: "Hel"}, {name: "lo"}).text == "Hello"
    assert decoded({"delta": {name: "Hel"}}, {"delta": {name: "lo"}}).text == "Hello"
    assert wire_format(sse({name: "Hello"})) == "generic-json"


def test_text_deeper_than_one_level_is_not_looked_for() -> None:
    """The further down, the less likely it is the answer."""
    assert wire_format(sse({"data": {"delta": {"text": "Hello"}}})) is None


def test_json_strings_are_text() -> None:
    """Some servers send each piece as a JSON string, so that line ends survive."""
    assert decoded("Hello\n", "World").text == "Hello\nWorld"


def test_lines_of_json_are_read_like_events() -> None:
    """NDJSON differs in its framing only."""
    body = b'{"answer": "Hel"}\n{"answer": "lo", "done": true}\n'
    summary = decode_body(tracekit_generic, body, framing=Framing.NDJSON)
    assert (summary.text, summary.ended) == ("Hello", True)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.replace(b"\n", b"\r"),
        lambda body: body.replace(b"\n", b"\r\n"),
    ],
    ids=["bom", "no-space", "cr", "crlf"],
)
def test_the_way_a_stream_is_written_does_not_change_its_meaning(rewrite: Any) -> None:
    """Line ends, a byte order mark and the space after the colon are matters of transport."""
    assert decode_body(tracekit_generic, rewrite(sse({"text": "Hel"}, {"text": "lo"}))).text == "Hello"


def test_plain_text_is_taken_as_it_stands() -> None:
    """Leading spaces beyond the first, several data lines, and the events of an image of Replicate's."""
    body = (
        b": hi\n\n"
        b"event: output\nid: 1:0\ndata: def f():\ndata:     return 1\n\n"
        b"event: output\nid: 2:0\ndata:   # end\n\n"
        b"event: done\nid: 3:0\ndata: {}\n\n"
    )
    summary = decode_body(tracekit_generic, body)
    assert summary.text == "def f():\n    return 1  # end"
    assert summary.ended
    assert wire_format(body) == "generic-text"


def test_plain_text_that_looks_like_json_stays_text() -> None:
    """A number or a word of JSON among words is a word."""
    summary = decode_body(tracekit_generic, b"data: It is\n\ndata: 42\n\ndata: null\n\ndata: {}\n\n")
    assert summary.text == "It is42null{}"


def test_an_object_among_plain_text_is_read_as_json() -> None:
    """Apps mix pieces of text with an object at the end."""
    body = b'data: Hel\n\ndata: lo\n\ndata: {"model": "m", "finish_reason": "stop"}\n\n'
    summary = decode_body(tracekit_generic, body)
    assert (summary.text, summary.model, summary.finish_reason) == ("Hello", "m", "stop")


@pytest.mark.parametrize("body", [b"data: Hi\n\ndata: [DONE]\n\n", b'data: {"text": "Hi"}\n\ndata: [DONE]\n\n'])
def test_done_is_the_end(body: bytes) -> None:
    """The marker that OpenAI made common is known in both forms."""
    summary = decode_body(tracekit_generic, body)
    assert (summary.text, summary.ended) == ("Hi", True)


@pytest.mark.parametrize(
    ("document", "message", "code"),
    [
        ({"error": "boom"}, "boom", None),
        ({"error": {"message": "boom", "code": 500}}, "boom", "500"),
        ({"type": "error", "message": "boom", "code": "E1"}, "boom", "E1"),
        ({"event": "error", "detail": "boom"}, "boom", None),
        ({"type": "error"}, "error", None),
    ],
)
def test_an_error_is_a_failure(document: Any, message: str, code: str | None) -> None:
    """Under `error`, or in an object whose type says so; its message is no part of the answer."""
    summary = decoded({"text": "Hi"}, document)
    assert summary.error is not None
    assert (summary.text, summary.error.message, summary.error.code) == ("Hi", message, code)


@pytest.mark.parametrize("data", [b"boom", b'{"detail": "boom"}'])
def test_an_error_event_is_a_failure(data: bytes) -> None:
    """The event's name says it, whatever the form of its data."""
    for beginning in (b"data: Hi\n\n", b'data: {"text": "Hi"}\n\n'):
        summary = decode_body(tracekit_generic, beginning + b"event: error\ndata: " + data + b"\n\n")
        assert summary.error is not None
        assert (summary.text, summary.error.message) == ("Hi", "boom")


@pytest.mark.parametrize("nothing", [None, False, "", 0, []])
def test_an_error_that_is_none_is_no_failure(nothing: Any) -> None:
    """Many servers write `error` into every frame."""
    assert decoded({"text": "Hi", "error": nothing}).error is None


def test_frames_that_only_inform_are_no_text() -> None:
    """Progress, sources and the like say so in their type, or in the event's name."""
    summary = decoded(
        {"type": "status", "message": "Searching"},
        {"type": "token", "content": "Hi"},
        {"type": "thinking", "content": "Hm"},
        {"event": "sources", "data": "a.pdf"},
        {"role": "user", "content": "Hello?"},
    )
    assert (summary.text, summary.reasoning) == ("Hi", "Hm")


def test_a_last_frame_that_repeats_the_answer_adds_nothing() -> None:
    """Where it is the only one with text, it is the answer."""
    end = {"type": "done", "content": "Hello"}
    assert decoded({"type": "token", "content": "Hello"}, end).text == "Hello"
    assert decoded({"type": "status"}, end).text == "Hello"
    assert decoded({"type": "status"}, end).ended


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: {}\n\n",
        b'data: {"foo": 1}\n\ndata: {"bar": [1, 2]}\n\n',
        b'data: {"error": "boom"}\n\n',
        b"data: [DONE]\n\n",
        b"data: [1, 2]\n\ndata: 7\n\n",
        b'data: {"cut": "of\n\n',
        b"data:\n\ndata:  \n\n",
        b"event: status\ndata: working\n\n",
    ],
)
def test_frames_that_give_no_text_are_not_claimed(body: bytes) -> None:
    """A format that nobody reads is to be called unknown."""
    assert wire_format(body) is None
    assert wire_format(body, Framing.NDJSON) is None


def test_a_body_that_is_no_stream_is_not_claimed() -> None:
    """A plain JSON answer is not read as a stream of one frame."""
    assert wire_format(b'{"message": "Not Found"}', Framing.WHOLE) is None


@pytest.mark.parametrize("payload", [b"7", b"[1]", b"not json", b"null"])
def test_a_payload_that_is_neither_object_nor_string_is_unreadable(payload: bytes) -> None:
    """In a stream of JSON the odd frame is counted, not shown as text."""
    with pytest.raises(Unreadable):
        tracekit_generic.JsonDecoder().feed(Frame(b"data: " + payload + b"\n\n"))


DOCUMENTS = [
    {"type": "token", "content": "Hi", "done": False},
    {"delta": {"text": "Hi", "reasoning": "Hm"}, "model": "m", "finish_reason": "stop"},
    {"event": "message", "data": {"answer": "Hi"}, "role": "assistant"},
    {"type": "error", "message": "m", "code": 7},
    {"error": {"message": "m", "code": "c", "detail": "d"}},
    {"type": "done", "text": "Hi", "done": True},
]


@given(spoiled(DOCUMENTS), st.sampled_from([Framing.SSE, Framing.NDJSON]))
def test_any_json_in_any_place_is_survived(documents: list[Any], framing: Framing) -> None:
    """Whatever a stream holds, a frame is read or is unreadable; nothing else happens."""
    assert_survives(tracekit_generic.JsonDecoder, documents, framing)
    assert_survives(tracekit_generic.TextDecoder, documents, framing)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_survived(lines: list[bytes]) -> None:
    """Neither the question whose stream it is nor the answer needs text that makes sense."""
    body = b"".join(b"data: " + line + b"\n\n" for line in lines)
    for framing in (Framing.SSE, Framing.NDJSON):
        frames = frames_of(body, framing)
        claim = claim_of(tracekit_generic, stream_head(framing), frames)
        if claim is not None:
            decode_body(tracekit_generic, body, framing=framing)


@given(st.lists(ANY_JSON, max_size=6))
def test_claiming_survives_any_json(documents: list[Any]) -> None:
    """The question whose stream this is can be asked of anything."""
    claim_of(tracekit_generic, stream_head(), [frame_of(document) for document in documents])
