"""Chat Completions and its dialects, as a client would read them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import (
    RecordedStream,
    assert_as_expected,
    cases,
    decode_body,
    decode_frames,
    frames_of,
    sse_body,
)

import tracekit_openai
from tracekit.decoding import Ended, Fact, Frame, ToolFinished, Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing


@pytest.mark.parametrize("stream", cases("openai-chat"))
def test_a_recorded_stream_says_what_another_client_read(stream: RecordedStream) -> None:
    """Two programs that never met make the same of the same bytes."""
    summary = decode_body(tracekit_openai, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)


def test_a_wrong_answer_does_not_pass_as_expected() -> None:
    """The comparison itself can fail, and names what differs."""
    with pytest.raises(AssertionError, match=r"(?s)text: found 'Hi'.*tool_calls.*usage\.input_tokens.*error"):
        assert_as_expected(
            Summary(text="Hi", usage={"input_tokens": 2}),
            {
                "text": "Ho",
                "usage": {"input_tokens": 1},
                "error": {"message": "x"},
                "tool_calls": [{"id": None, "name": "f"}],
            },
        )


def read(*payloads: Any) -> Summary:
    """What the decoder makes of made-up events."""
    return decode_frames(tracekit_openai.ChatDecoder(), frames_of(sse_body(*payloads)))


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def call(arguments: Any = None, *, name: Any = None, **more: Any) -> dict[str, Any]:
    """A chunk with a piece of one tool call."""
    return chunk({"tool_calls": [{**more, "function": {"name": name, "arguments": arguments}}]})


def calls_of(summary: Summary) -> list[tuple[str | None, str | None, Any]]:
    """The calls in short."""
    return [(each.id, each.name, each.arguments) for each in summary.tool_calls]


# Text, reasoning, refusal


def test_thinking_that_is_written_into_the_text_stays_text() -> None:
    """The provider sent it as content, so content it is; the tags are not interpreted."""
    summary = read(chunk({"content": "<think>hm"}), chunk({"content": "</think>Yes."}))
    assert (summary.text, summary.reasoning) == ("<think>hm</think>Yes.", None)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_is_found_under_each_of_its_names(name: str) -> None:
    """Providers never agreed on a name."""
    assert read(chunk({name: "hm, "}), chunk({"content": None, name: "yes"})).reasoning == "hm, yes"


def test_the_same_words_under_two_names_are_told_once() -> None:
    """Gateways send `reasoning` and `reasoning_details`, servers `reasoning` and `reasoning_content`."""
    details = [{"type": "reasoning.text", "text": "hm", "index": 0}]
    summary = read(
        chunk({"reasoning": "hm", "reasoning_details": details}), chunk({"reasoning_content": "!", "reasoning": "!"})
    )
    assert summary.reasoning == "hm!"


def test_reasoning_details_alone_are_read_and_what_is_encrypted_is_not() -> None:
    """A summary is words; a signature and encrypted data are not."""
    details = [
        {"type": "reasoning.summary", "summary": "I thought"},
        {"type": "reasoning.text", "text": "", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "data": "c2VjcmV0"},
    ]
    assert read(chunk({"reasoning": None, "reasoning_details": details})).reasoning == "I thought"


def test_content_in_parts_is_told_apart_by_type() -> None:
    """Mistral and Databricks mix thoughts and words in one list; references and images are neither."""
    summary = read(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        chunk({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": ", so"}]}]}),
        chunk({"content": ["Plain, ", {"type": "text", "text": "typed"}, {"type": "reference", "reference_ids": [1]}]}),
        chunk({"content": [{"type": "refusal", "refusal": "No."}, {"type": "image_url", "image_url": {"url": "u"}}]}),
    )
    assert (summary.reasoning, summary.text, summary.refusal) == ("hm, so", "Plain, typed", "No.")


def test_a_refusal_is_no_text() -> None:
    """The pieces of a refusal are joined, and an empty one says nothing."""
    summary = read(chunk({"refusal": ""}), chunk({"refusal": "I can"}), chunk({"refusal": "not."}))
    assert (summary.text, summary.refusal) == ("", "I cannot.")


def test_spoken_words_are_the_text_of_a_spoken_answer() -> None:
    """An answer in sound has its transcript in the stream."""
    summary = read(chunk({"audio": {"id": "a", "transcript": "Good "}}), chunk({"audio": {"transcript": "day"}}))
    assert summary.text == "Good day"


def test_the_older_completions_have_text_and_no_delta() -> None:
    """`/v1/completions` is the same stream with another field."""
    body = [{"object": "text_completion", "choices": [{"index": 0, "text": text}]} for text in ("Once", " upon")]
    assert read(*body, "[DONE]").text == "Once upon"


def test_a_cumulative_message_beside_the_delta_is_not_read_twice() -> None:
    """Perplexity repeats everything said so far in `message`."""
    choices = [
        {"index": 0, "delta": {"content": "One "}, "message": {"content": "One "}},
        {"index": 0, "delta": {"content": "two"}, "message": {"content": "One two"}},
        {"index": 0, "message": {"content": "One two"}, "finish_reason": "stop"},
    ]
    assert read(*({"choices": [choice]} for choice in choices)).text == "One two"


def test_a_whole_answer_in_place_of_a_stream_is_read_from_its_message() -> None:
    """A server that cannot stream answers in one piece, and so does a request that did not ask for a stream."""
    message = {
        "content": "Done.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }
    whole = {"object": "chat.completion", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    body = sse_body(whole).removeprefix(b"data: ")
    summary = decode_body(tracekit_openai, body, framing=Framing.WHOLE)
    assert (summary.text, summary.model, summary.finish_reason) == ("Done.", "m", "stop")
    assert calls_of(summary) == [("a", "f", {}), ("b", "g", {"x": 1})]


# Tool calls


def test_a_call_whose_name_and_id_are_repeated_is_one_call() -> None:
    """Kimi repeats both in every piece."""
    pieces = [call(text, index=0, id="0", name="f") for text in ("", '{"a"', ":1}")]
    assert calls_of(read(*pieces)) == [("0", "f", {"a": 1})]


def test_calls_that_share_an_index_are_told_apart_by_id() -> None:
    """Gateways in front of Gemini give every parallel call the index 0."""
    summary = read(call('{"a":1}', index=0, id="x", name="f"), call('{"a":2}', index=0, id="y", name="f"))
    assert calls_of(summary) == [("x", "f", {"a": 1}), ("y", "f", {"a": 2})]


def test_calls_without_an_index_are_told_apart_by_id_and_may_interleave() -> None:
    """Mistral leaves the index out."""
    summary = read(
        call('{"a"', id="x", name="f"), call('{"b"', id="y", name="g"), call(":1}", id="x"), call(":2}", id="y")
    )
    assert calls_of(summary) == [("x", "f", {"a": 1}), ("y", "g", {"b": 2})]


def test_an_id_that_changes_from_piece_to_piece_does_not_split_a_call() -> None:
    """A piece that names no function begins no call."""
    summary = read(call("", index=0, id="r1", name="f"), call('{"a"', index=0, id="r2"), call(":1}", index=0, id="r3"))
    assert calls_of(summary) == [("r1", "f", {"a": 1})]


def test_calls_without_ids_are_told_apart_by_name() -> None:
    """With neither index nor id, another name after arguments is another call."""
    summary = read(call('{"a":1}', id="", name="f"), call('{"a":2}', id="null", name="g"))
    assert calls_of(summary) == [(None, "f", {"a": 1}), (None, "g", {"a": 2})]


def test_calls_without_ids_of_one_function_are_told_apart_by_their_arguments() -> None:
    """A JSON text cannot begin again where it ended, so the second object is a second call."""
    summary = read(call('{"a":{}', index=0, id="", name="f"), call("} ", index=0), call('{"a":2}', index=0, name="f"))
    assert calls_of(summary) == [(None, "f", {"a": {}}), (None, "f", {"a": 2})]


def test_a_name_that_is_repeated_without_an_id_does_not_split_a_call() -> None:
    """The arguments go on, so the call does."""
    pieces = [call(text, index=0, name="f") for text in ("", '{"a":', '{"b":{}', ',"c":1}', "}")]
    assert calls_of(read(*pieces)) == [(None, "f", {"a": {"b": {}, "c": 1}})]


def test_a_head_that_comes_late_belongs_to_the_call() -> None:
    """Id and name may come after the first piece; null and empty ones say nothing."""
    summary = read(
        call(None, index=0, id=None, name=None), call('{"a"', index=0, id="x", name=""), call(":1}", index=0, name="f")
    )
    assert calls_of(summary) == [("x", "f", {"a": 1})]


def test_arguments_may_be_an_object_and_calls_may_stand_without_a_list() -> None:
    """Some servers send what they hold instead of its text."""
    summary = read(chunk({"tool_calls": {"id": "x", "function": {"name": "f", "arguments": {"a": [1]}}}}))
    assert calls_of(summary) == [("x", "f", {"a": [1]})]


def test_the_function_call_of_old_is_a_call_without_an_id() -> None:
    """Before there were tools there was one function."""
    pieces = ({"name": "f", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ":1}"})
    summary = read(*(chunk({"content": None, "function_call": piece}) for piece in pieces), chunk({}, "function_call"))
    assert calls_of(summary) == [(None, "f", {"a": 1})]


def test_a_custom_tool_is_given_text() -> None:
    """The input of a custom tool is no JSON and stays as it is."""
    heads = ({"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql", "input": "SELECT "}},)
    rest = ({"index": 0, "custom": {"input": "1"}},)
    summary = read(chunk({"tool_calls": [*heads]}), chunk({"tool_calls": [*rest]}), chunk({}, "tool_calls"))
    assert calls_of(summary) == [("x", "sql", "SELECT 1")]
    assert summary.tool_calls[0].kind == "custom"


def facts_of(*payloads: Any) -> list[Fact]:
    """Every fact of made-up events."""
    decoder = tracekit_openai.ChatDecoder()
    return [fact for frame in frames_of(sse_body(*payloads)) for fact in decoder.feed(frame)]


@pytest.mark.parametrize("end", [chunk({}, "tool_calls"), "[DONE]"])
def test_calls_are_finished_once_when_the_answer_is(end: Any) -> None:
    """A finish reason ends them; where none is sent, the end marker does."""
    pieces = call("{}", index=0, id="x", name="f"), call("{}", index=1, id="y", name="g")
    finished = [fact for fact in facts_of(*pieces, end, "[DONE]") if isinstance(fact, ToolFinished)]
    assert len(finished) == len({fact.key for fact in finished}) == 2


def test_a_call_that_is_cut_off_is_not_finished_and_keeps_its_text() -> None:
    """Half of a JSON text is shown as the text it is."""
    pieces = call('{"city": "Par', index=0, id="x", name="f")
    assert not any(isinstance(fact, ToolFinished) for fact in facts_of(pieces))
    assert calls_of(read(pieces)) == [("x", "f", '{"city": "Par')]


def test_tools_that_the_provider_ran_itself_are_named_once_each() -> None:
    """Groq names a tool when it starts and again with its output."""
    start = {"index": 0, "type": "search", "arguments": "{}"}
    summary = read(
        chunk({"executed_tools": [start]}), chunk({"executed_tools": [{**start, "output": "found"}]}), "[DONE]"
    )
    assert summary.extra["server_items"] == ["search"]
    assert summary.tool_calls == []


# Choices, ends


def test_parallel_answers_stay_apart() -> None:
    """Interleaved choices keep their own text, calls and reasons."""
    summary = read(
        {"choices": [{"index": 0, "delta": {"content": "A"}}, {"index": 1, "delta": {"content": "B"}}]},
        {"choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "tool_calls"}]},
    )
    first, second = summary.choices
    assert (first.text, first.finish_reason, first.tool_calls) == ("A", "stop", [])
    assert (second.text, second.finish_reason, second.tool_calls[0].name) == ("Bb", "tool_calls", "f")


def test_choices_without_an_index_are_numbered_by_position() -> None:
    """An index that is no number, or below zero, is no index."""
    choices = [{"delta": {"content": "A"}}, {"index": -1, "delta": {"content": "B"}}]
    summary = read({"choices": choices})
    assert [choice.text for choice in summary.choices] == ["A", "B"]


def test_an_answer_is_whole_when_every_choice_has_a_reason() -> None:
    """Not everybody sends an end marker; a choice that still runs keeps the answer open."""
    begin = {"choices": [{"index": 0, "delta": {"content": "A"}}, {"index": 1, "delta": {"content": "B"}}]}
    ends = [{"choices": [{"index": number, "delta": {}, "finish_reason": "stop"}]} for number in (0, 1)]
    assert not read(begin, ends[0]).ended
    assert read(begin, *ends).ended


def test_an_end_marker_ends_a_stream_without_reasons() -> None:
    """Some never say why they stopped."""
    summary = read(chunk({"content": "A"}, ""), "[DONE]")
    assert (summary.ended, summary.finish_reason) == (True, None)


def test_an_answer_that_breaks_off_has_not_ended() -> None:
    """Neither a reason nor a marker: nobody knows what was to come."""
    assert not any(isinstance(fact, Ended) for fact in facts_of(chunk({"content": "A"})))


# Usage, model


def test_usage_is_the_last_one_stated_and_null_states_none() -> None:
    """Cumulative counts replace one another; a later null takes nothing away."""
    summary = read(
        chunk({"content": "A"}, usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}),
        chunk({"content": "B"}, usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}),
        chunk({}, "stop", usage=None),
        {"object": "chat.completion.chunk", "choices": [], "usage": {}},
    )
    assert summary.usage == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 3}}, {"cached_input_tokens": 3}),
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 1}, {"cached_input_tokens": 4}),
        ({"cached_tokens": 5}, {"cached_input_tokens": 5}),
        ({"completion_tokens_details": {"reasoning_tokens": 6}}, {"reasoning_tokens": 6}),
        ({"reasoning_tokens": 7}, {"reasoning_tokens": 7}),
        ({"input_tokens": 8, "output_tokens": 9}, {"input_tokens": 8, "output_tokens": 9}),
        ({"prompt_tokens": True, "completion_tokens": "9", "total_tokens": None, "prompt_tokens_details": 1}, None),
        ([1, 2], None),
    ],
)
def test_counts_are_found_where_each_provider_puts_them(usage: Any, counts: Any) -> None:
    """What is no number is no count, and what is not stated is not invented."""
    assert read(chunk({}, usage=usage)).usage == counts


def test_a_count_that_is_no_number_is_left_out() -> None:
    """NaN is no JSON, but it is sent."""
    assert read('{"choices": [], "usage": {"prompt_tokens": NaN, "completion_tokens": 2}}').usage == {
        "output_tokens": 2
    }


def test_usage_is_found_beside_and_inside_the_choices() -> None:
    """Groq wraps it in `x_groq`, Moonshot puts it in the choice that ends."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    counts = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert read(chunk({}, "stop", x_groq={"id": "req", "usage": usage})).usage == counts
    assert read({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}).usage == counts


def test_the_first_model_name_that_is_not_empty_holds() -> None:
    """Azure's first chunk names none."""
    assert read(chunk({}, model=""), chunk({}, model=None), chunk({}, model="gpt-4o"), chunk({}, model="x")).model == (
        "gpt-4o"
    )


# Errors


@pytest.mark.parametrize(
    ("payload", "message", "code"),
    [
        ({"error": {"message": "Broken", "type": "server_error", "code": None}}, "Broken", "server_error"),
        ({"error": {"message": "Broken", "code": 502, "metadata": {}}, "choices": []}, "Broken", "502"),
        ({"error": "Broken", "error_type": "overloaded"}, "Broken", "overloaded"),
        ({"object": "error", "message": "Broken", "type": "BadRequestError", "code": 400}, "Broken", "400"),
        ({"error": {"object": "error", "message": "Broken", "param": None}}, "Broken", None),
        ({"error": {"detail": "Broken"}}, "Broken", None),
        ({"error": {"message": {"detail": [1]}}}, '{"detail":[1]}', None),
        ({"error": ["Broken"]}, '["Broken"]', None),
        (chunk({}, None, x_groq={"id": "r", "error": "Broken"}), "Broken", None),
        (
            {"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "Broken"}}]},
            "Broken",
            "429",
        ),
        (("error", {"message": "Broken", "code": "x"}), "Broken", "x"),
        (("error", {"detail": "Broken"}), "Broken", None),
        (("error", "Broken"), "Broken", None),
    ],
)
def test_an_error_is_understood_in_every_wording(payload: Any, message: str, code: str | None) -> None:
    """Whatever was said before the error is kept."""
    summary = read(chunk({"content": "So far"}), payload)
    assert summary.error is not None
    assert (summary.error.message, summary.error.code) == (message, code)
    assert summary.text == "So far"


@pytest.mark.parametrize("error", [None, "", {}, [], False, 0])
def test_an_empty_error_is_none(error: Any) -> None:
    """Some send `error: null` with every chunk."""
    summary = read(chunk({"content": "Fine"}, error=error))
    assert (summary.error, summary.text) == (None, "Fine")


# Anything at all


@pytest.mark.parametrize("payload", ["[1]", '"text"', "no JSON", "", {}, {"ping": 1}])
def test_a_frame_of_something_else_is_counted_and_passed_over(payload: Any) -> None:
    """One strange frame does not cost the rest."""
    summary = read(chunk({"content": "A"}), payload, chunk({"content": "B"}))
    assert (summary.text, summary.extra) == ("AB", {"unreadable_frames": 1})


NAMES = st.sampled_from(
    [
        "choices", "delta", "message", "index", "content", "text", "type", "thinking", "summary", "reasoning",
        "reasoning_details", "tool_calls", "function", "custom", "function_call", "name", "arguments", "id", "refusal",
        "finish_reason", "usage", "prompt_tokens", "completion_tokens_details", "x_groq", "error", "code", "object",
        "model", "audio", "transcript", "executed_tools",
    ]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["thinking", "null"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
CHOICES = st.fixed_dictionaries({}, optional={"index": VALUES, "finish_reason": VALUES}) | VALUES
CHUNKS = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.builds(
                lambda choice, delta: {**choice, "delta": delta}, st.dictionaries(NAMES, VALUES, max_size=3), VALUES
            ),
            max_size=3,
        )
    },
    optional={"usage": VALUES, "error": VALUES, "x_groq": VALUES, "model": VALUES},
)


@given(st.lists(VALUES | CHUNKS, max_size=6))
def test_any_json_is_read_or_refused(payloads: list[Any]) -> None:
    """Types in the wrong place never make the decoder fail, and all it says is of the right type."""
    summary = read(*payloads)
    assert all(isinstance(text, str) for text in (summary.text, *summary.text_parts, *summary.reasoning_parts))
    assert all(isinstance(each.arguments_raw, str) for each in summary.tool_calls)
    assert all(isinstance(each.name, str | None) and isinstance(each.id, str | None) for each in summary.tool_calls)
    assert all(isinstance(count, int | float) for count in (summary.usage or {}).values())
    assert summary.error is None or isinstance(summary.error.message, str)


@given(st.binary(max_size=200), st.sampled_from(Framing))
def test_any_bytes_are_read_or_refused(raw: bytes, framing: Framing) -> None:
    """What is no chunk raises Unreadable and nothing else."""
    with contextlib.suppress(Unreadable):
        assert all(isinstance(fact, Fact) for fact in tracekit_openai.ChatDecoder().feed(Frame(raw, framing)))


ODD = st.sampled_from([None, "", "x", 0, 1, -1, True, [], {}, ["x"], {"content": "y"}, {"error": "z"}, 1.5])
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "content": st.sampled_from(["", "word", "\u6c49", "\ud800", None, ["x"]]),
        **dict.fromkeys(("role", "refusal", "tool_calls", "reasoning", "reasoning_content", "audio", "name"), ODD),
    },
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "delta": st.one_of(PARTS, PARTS, ODD),
        "index": st.sampled_from([0, 0, 1, -1, None, "0", True]),
        **dict.fromkeys(("finish_reason", "text", "message", "usage", "error", "logprobs"), ODD),
    },
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.one_of(st.lists(CHOICES, max_size=2), ODD),
        "model": ODD,
        **dict.fromkeys(("usage", "error", "x_groq", "object"), ODD),
    },
)


@given(st.lists(CHUNKS, max_size=5), st.sampled_from([b"", b"event: error\n"]))
def test_the_short_way_for_plain_chunks_reads_what_the_long_way_reads(chunks: list[Any], head: bytes) -> None:
    """Whatever stands in a chunk, or is missing there."""
    short, long = tracekit_openai.ChatDecoder(), tracekit_openai.ChatDecoder()
    for part in ({"model": "m", "choices": []}, *chunks):
        raw = head + b"data: " + json.dumps(part).encode() + b"\n\n"
        outcomes = []
        for feed in (short.feed, long._read_chunk):
            try:
                outcomes.append(tuple(feed(Frame(raw, Framing.SSE))))
            except Unreadable as problem:
                outcomes.append(("unreadable", str(problem)))
        assert outcomes[0] == outcomes[1], part
    assert tuple(short.finish()) == tuple(long.finish())


@given(st.lists(CHUNKS, max_size=5))
def test_many_chunks_at_once_say_what_each_says(chunks: list[Any]) -> None:
    """Those of which each is a piece of text and nothing else; others are left to be read one by one."""
    together, apart = tracekit_openai.ChatDecoder(), tracekit_openai.ChatDecoder()
    begin = {"model": "m", "choices": []}
    for decoder in (together, apart):
        list(decoder.feed(Frame(b"data: " + json.dumps(begin).encode() + b"\n\n", Framing.SSE)))
    data = [json.dumps(chunk).encode() for chunk in chunks]
    read = together.feed_plain(data)
    frames = [Frame(b"data: " + document + b"\n\n", Framing.SSE) for document in data]
    assert [tuple(facts) for facts in read] == [tuple(apart._read_chunk(frame)) for frame in frames[: len(read)]]
