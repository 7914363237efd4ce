"""The data stream of AI SDK 4 is decoded as its own client reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import ANY_JSON, spoiled
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import decode_frames, frames_of

from tracekit.decoding import Frame, Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing
from tracekit_vercel_ai import DataStreamDecoder


def lines(*lines: str) -> Summary:
    """What these lines of a data stream amount to."""
    body = "".join(f"{line}\n" for line in lines).encode()
    return decode_frames(DataStreamDecoder(), frames_of(body, Framing.NDJSON))


def test_text_of_a_data_stream_is_parted_by_steps() -> None:
    """A step that is continued goes on with the same text; reasoning begins anew all the same."""
    summary = lines(
        *('0:"a"', 'g:"hm"', 'e:{"finishReason":"length","isContinued":true}'),
        *('0:"b"', 'g:"so"', 'e:{"finishReason":"stop","isContinued":false}', '0:"c"'),
    )
    assert (summary.text_parts, summary.reasoning_parts) == (["ab", "c"], ["hm", "so"])


def test_token_counts_of_steps_are_summed_until_the_total_comes() -> None:
    """A stream that was cut has only its steps."""
    step = 'e:{"finishReason":"tool-calls","usage":{"promptTokens":3,"completionTokens":1}}'
    assert lines(step, step).usage == {"input_tokens": 6, "output_tokens": 2}
    total = 'd:{"finishReason":"stop","usage":{"promptTokens":7,"completionTokens":null}}'
    summary = lines(step, step, total)
    assert (summary.usage, summary.finish_reason, summary.ended) == (
        {"input_tokens": 7, "output_tokens": 2},
        "stop",
        True,
    )


def test_a_sum_that_no_column_takes_is_left_out() -> None:
    """Numbers are the sender's; they do not break the store."""
    step = 'e:{"finishReason":"stop","usage":{"promptTokens":4611686018427387904,"completionTokens":1}}'
    assert lines(step, step).usage == {"input_tokens": 2**62, "output_tokens": 2}


def test_calls_of_a_data_stream_go_through_their_states() -> None:
    """Streamed in pieces, called, answered."""
    summary = lines(
        'b:{"toolCallId":"c","toolName":"f"}',
        'c:{"toolCallId":"c","argsTextDelta":"{\\"a\\":"}',
        'c:{"toolCallId":"c","argsTextDelta":"1}"}',
        'b:{"toolCallId":"d","toolName":"g"}',
        '9:{"toolCallId":"c","toolName":"f","args":{"a":1}}',
        'a:{"toolCallId":"c","result":{"ok":true}}',
        '9:{"toolCallId":"e","toolName":"h","args":{}}',
    )
    assert [(call.id, call.name, call.arguments, call.result) for call in summary.tool_calls] == [
        ("c", "f", {"a": 1}, {"ok": True}),
        ("d", "g", {}, None),
        ("e", "h", {}, None),
    ]
    assert [entry["state"] for entry in summary.extra["tool_states"]] == ["result", "partial-call", "call"]


def test_data_annotations_sources_and_files_are_noted() -> None:
    """Lists of one code are put behind one another."""
    summary = lines(
        *('2:[{"x":1}]', "2:[2]", '8:["seen"]', 'h:{"sourceType":"url","id":"s","url":"https://example.org"}'),
        *('k:{"data":"AAAA","mimeType":"image/png"}', 'i:{"data":"x"}', 'j:{"signature":"y"}', 'f:{"messageId":"m"}'),
    )
    assert summary.extra == {
        "data_parts": [{"x": 1}, 2],
        "annotations": ["seen"],
        "sources": [{"sourceType": "url", "id": "s", "url": "https://example.org"}],
        "files": [{"mimeType": "image/png"}],
    }


@pytest.mark.parametrize("line", ["", "0", "0:", "0:{}", "z:1", "2:{}", "9:[]", '9:{"toolName":"f"}', "c:{}", "e:1"])
def test_what_is_no_line_of_a_data_stream_is_unreadable(line: str) -> None:
    """Such a line is counted, and the stream goes on."""
    with pytest.raises(Unreadable):
        list(DataStreamDecoder().feed(Frame(line.encode(), Framing.NDJSON)))


@given(st.lists(st.tuples(st.sampled_from("0123456789abcdefghijkz"), ANY_JSON), max_size=8))
def test_no_line_makes_the_data_stream_decoder_fail(pairs: list[tuple[str, Any]]) -> None:
    """Any value under any code is read or refused, never a fault."""
    lines(*(f"{code}:{json.dumps(value)}" for code, value in pairs))


CALL_LINES = [
    {"toolCallId": "c", "toolName": "f", "args": {}, "argsTextDelta": "{", "result": 1},
    {"finishReason": "stop", "usage": {"promptTokens": 1, "completionTokens": 2}, "isContinued": False},
]


@given(st.lists(st.sampled_from("9abcde"), max_size=8), spoiled(CALL_LINES))
def test_no_value_inside_a_line_makes_the_data_stream_decoder_fail(codes: list[str], documents: list[Any]) -> None:
    """What stands in the objects of a line is as untrusted as the line."""
    lines(*(f"{code}:{json.dumps(value)}" for code, value in zip(codes, documents, strict=False)))
