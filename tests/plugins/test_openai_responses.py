"""The Responses API, as a client would read it."""

from __future__ import annotations

import contextlib
import itertools
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
from tracekit.decoding import Fact, Frame, ToolFinished, Unreadable
from tracekit.transcript import Summary
from tracekit.types import Framing


@pytest.mark.parametrize("stream", cases("openai-responses"))
def test_a_recorded_stream_says_what_another_client_read(stream: RecordedStream) -> None:
    """Two programs that never met make the same of the same bytes."""
    summary = decode_body(tracekit_openai, stream.body, framing=stream.framing)
    assert_as_expected(summary, stream.expected)


CREATED = {"type": "response.created", "response": {"model": "gpt-5", "status": "in_progress", "output": []}}


def read(*payloads: Any) -> Summary:
    """What the decoder makes of made-up events."""
    return decode_frames(tracekit_openai.ResponsesDecoder(), frames_of(sse_body(*payloads)))


def event(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    """An event that belongs to one output item."""
    return {"type": f"response.{kind}", "output_index": index, **more}


def text(delta: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    """A piece of text."""
    return event("output_text.delta", index, delta=delta, content_index=0, **more)


def final(*output: Any, kind: str = "completed", **more: Any) -> dict[str, Any]:
    """The last event, with the whole response."""
    return {"type": f"response.{kind}", "response": {"status": kind, "output": [*output], **more}}


def message(words: str, **more: Any) -> dict[str, Any]:
    """A whole message."""
    return {"type": "message", "content": [{"type": "output_text", "text": words}], **more}


def function_call(arguments: Any, name: str = "f", call_id: str = "x") -> dict[str, Any]:
    """A whole call of a function."""
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": arguments}


def calls_of(summary: Summary) -> list[tuple[str | None, str | None, Any]]:
    """The calls in short."""
    return [(each.id, each.name, each.arguments) for each in summary.tool_calls]


# Text, reasoning, refusal


def test_what_was_told_in_pieces_is_not_told_again_as_a_whole() -> None:
    """Every text comes up to five times: deltas, text, part, item, response."""
    summary = read(
        CREATED,
        text("Hel"),
        text("lo"),
        event("output_text.done", text="Hello"),
        event("content_part.done", part={"type": "output_text", "text": "Hello"}),
        event("output_item.done", item=message("Hello")),
        final(message("Hello")),
    )
    assert (summary.text, summary.text_parts, summary.ended) == ("Hello", ["Hello"], True)


@pytest.mark.parametrize("whole", [event("output_item.done", item=message("Hello")), final(message("Hello"))])
def test_what_was_not_told_in_pieces_is_told_as_a_whole(whole: Any) -> None:
    """Servers that only pretend to stream send items, or nothing but the response."""
    assert read(CREATED, whole).text == "Hello"


def test_a_response_that_numbers_its_items_otherwise_is_not_told_twice() -> None:
    """Gateways give every item the index 0, yet list reasoning and message in the response."""
    summary = read(
        CREATED,
        event("reasoning_text.delta", 0, delta="hm", content_index=0),
        text("Hello"),
        event("output_item.done", 0, item={"type": "reasoning", "content": [{"text": "hm"}]}),
        event("output_item.done", 0, item=message("Hello")),
        final({"type": "reasoning", "summary": [{"text": "hm"}]}, message("Hello")),
    )
    assert (summary.text, summary.reasoning) == ("Hello", "hm")


def test_messages_are_parts_of_the_text() -> None:
    """A commentary before the answer is a message of its own."""
    summary = read(CREATED, text("Let me look. "), text("It is 4.", 2), text("!", 2), final())
    assert summary.text_parts == ["Let me look. ", "It is 4.!"]


def test_items_are_matched_by_index_where_ids_change() -> None:
    """Copilot gives an item a new id in every event."""
    summary = read(
        CREATED,
        text("Hel", item_id="1"),
        text("lo", item_id="2"),
        event("output_item.done", item=message("Hello", id="3")),
    )
    assert summary.text_parts == ["Hello"]


def test_items_are_matched_by_id_where_there_is_no_index() -> None:
    """A server that leaves the index out names the item."""
    pieces = [{"type": "response.output_text.delta", "item_id": name, "delta": name} for name in "aba"]
    assert read(CREATED, *pieces).text_parts == ["aa", "b"]


def test_summaries_of_thoughts_are_parts_and_thoughts_are_reasoning_as_well() -> None:
    """Summary and raw chain of thought come under different names."""
    summary = read(
        CREATED,
        event("reasoning_summary_text.delta", delta="First", summary_index=0),
        event("reasoning_summary_text.delta", delta="Sec", summary_index=1),
        event("reasoning_summary_text.delta", delta="ond", summary_index=1),
        event("reasoning_text.delta", 1, delta="raw", content_index=0),
        final(),
    )
    assert summary.reasoning_parts == ["First", "Second", "raw"]


def test_reasoning_that_comes_whole_is_read_and_what_is_encrypted_is_not() -> None:
    """A reasoning item may hold summaries, thoughts, and data that nobody can read."""
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "In short. "}],
        "content": [{"type": "reasoning_text", "text": "At length."}],
        "encrypted_content": "c2VjcmV0",
    }
    assert read(CREATED, event("output_item.done", item=item)).reasoning == "In short. At length."
    assert read(CREATED, final({"type": "reasoning", "summary": [], "encrypted_content": "c2U"})).reasoning is None


def test_a_refusal_is_no_text() -> None:
    """In pieces or whole."""
    whole = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    pieces = [event("refusal.delta", delta=words) for words in ("I can", "not.")]
    for summary in (read(CREATED, *pieces, final(whole)), read(CREATED, final(whole))):
        assert (summary.text, summary.refusal) == ("", "I cannot.")


# Tool calls


def test_a_call_is_put_together_from_its_pieces() -> None:
    """The id is the one that the answer of the tool has to name."""
    summary = read(
        CREATED,
        event("output_item.added", item=function_call("")),
        *(event("function_call_arguments.delta", delta=piece) for piece in ('{"a"', ":1}")),
        event("function_call_arguments.done", arguments='{"a":1}'),
        event("output_item.done", item=function_call('{"a":1}')),
        final(function_call('{"a":1}')),
    )
    assert calls_of(summary) == [("x", "f", {"a": 1})]
    assert (summary.tool_calls[0].arguments_raw, summary.tool_calls[0].kind) == ('{"a":1}', "function")


WHOLE_CALLS = [
    [event("output_item.added", item=function_call("")), event("function_call_arguments.done", arguments='{"a":1}')],
    [event("output_item.added", item=function_call("")), event("output_item.done", item=function_call('{"a":1}'))],
    [event("output_item.done", item=function_call({"a": 1}))],
    [final(function_call('{"a":1}'))],
]


@pytest.mark.parametrize("events", WHOLE_CALLS)
def test_a_call_that_comes_whole_is_told_once(events: list[Any]) -> None:
    """Not every server sends pieces, and some send an object."""
    assert calls_of(read(CREATED, *events)) == [("x", "f", {"a": 1})]


def test_calls_that_share_an_index_are_told_apart() -> None:
    """A new item under an index in use is a new call; the same item announced twice is not."""
    first, second = function_call("", call_id="x"), function_call("", call_id="y")
    summary = read(
        CREATED,
        event("output_item.added", item=first),
        event("output_item.added", item=first),
        event("function_call_arguments.delta", delta="{}"),
        event("output_item.added", item=second),
        event("function_call_arguments.delta", delta='{"a":2}'),
        final(function_call("{}", call_id="x"), function_call('{"a":2}', call_id="y")),
    )
    assert calls_of(summary) == [("x", "f", {}), ("y", "f", {"a": 2})]


@pytest.mark.parametrize(
    "events",
    [
        [event("custom_tool_call_input.delta", delta="SELECT "), event("custom_tool_call_input.delta", delta="1")],
        [event("custom_tool_call_input.done", input="SELECT 1")],
        [],
    ],
)
def test_a_custom_tool_is_given_text(events: list[Any]) -> None:
    """The input of a custom tool is no JSON and stays as it is."""
    item = {"type": "custom_tool_call", "id": "ctc", "call_id": "x", "name": "sql", "input": "SELECT 1"}
    summary = read(
        CREATED,
        event("output_item.added", item={**item, "input": ""}),
        *events,
        event("output_item.done", item=item),
        final(item),
    )
    assert calls_of(summary) == [("x", "sql", "SELECT 1")]
    assert summary.tool_calls[0].kind == "custom"


def test_a_call_is_finished_when_its_item_is() -> None:
    """Each call once; a call that is cut off never."""
    begin = [event("output_item.added", index, item=function_call("", call_id=name)) for index, name in enumerate("xy")]
    end = event("output_item.done", 0, item=function_call("{}", call_id="x"))
    decoder = tracekit_openai.ResponsesDecoder()
    frames = frames_of(sse_body(CREATED, *begin, end))
    facts = [*itertools.chain.from_iterable(decoder.feed(frame) for frame in frames), *decoder.finish()]
    assert [fact.key for fact in facts if isinstance(fact, ToolFinished)] == [0]


def test_tools_of_the_provider_are_named_and_are_no_calls() -> None:
    """What the app does not have to answer is no call of its tools."""
    hosted = [{"type": kind} for kind in ("web_search_call", "mcp_call", "web_search_call")]
    added = [event("output_item.added", index, item=item) for index, item in enumerate(hosted)]
    done = [event("output_item.done", index, item=item) for index, item in enumerate(hosted)]
    named = ["web_search_call", "mcp_call", "web_search_call"]
    for summary in (read(CREATED, *added, *done), read(CREATED, *added, final(*hosted)), read(final(*hosted))):
        assert summary.extra["server_items"] == named
        assert summary.tool_calls == []


def test_progress_of_hosted_tools_says_nothing() -> None:
    """Events that only report progress are read and passed over."""
    kinds = ("web_search_call.searching", "mcp_call_arguments.delta", "image_generation_call.partial_image", "queued")
    assert read(CREATED, *(event(kind, delta="{}") for kind in kinds), {"type": "keepalive"}).extra == {}


# The end


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed", "cancelled"])
def test_the_status_is_the_reason_why_the_answer_ended(kind: str) -> None:
    """Each of the last events ends the stream."""
    summary = read(CREATED, final(kind=kind))
    assert (summary.finish_reason, summary.ended) == (kind, True)


def test_the_event_says_how_it_ended_where_the_response_does_not() -> None:
    """OpenRouter has called its last event `response.done`."""
    assert read(CREATED, {"type": "response.done"}, "[DONE]").finish_reason == "completed"


def test_an_incomplete_response_says_why() -> None:
    """The details are kept as they are."""
    summary = read(CREATED, final(kind="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    assert summary.extra == {"finish_detail": {"reason": "max_output_tokens"}}


def test_usage_and_model_are_those_of_the_response() -> None:
    """The counts have the names that Chat Completions has, too."""
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }
    summary = read(CREATED, final(usage=usage))
    assert summary.model == "gpt-5"
    assert summary.usage == {
        "input_tokens": 10,
        "cached_input_tokens": 4,
        "output_tokens": 5,
        "reasoning_tokens": 3,
        "total_tokens": 15,
    }


def test_a_stream_that_breaks_off_has_not_ended() -> None:
    """Nothing is invented: no reason, no usage."""
    summary = read(CREATED, text("Hel"))
    assert (summary.text, summary.ended, summary.finish_reason, summary.usage) == ("Hel", False, None, None)


@pytest.mark.parametrize(
    ("payload", "message", "code"),
    [
        ({"type": "error", "code": "rate_limit", "message": "Broken", "param": None}, "Broken", "rate_limit"),
        ({"type": "error", "error": {"type": "quota", "code": None, "message": "Broken"}}, "Broken", "quota"),
        ({"type": "response.error", "message": "Broken"}, "Broken", None),
        (final(kind="failed", error={"code": "server_error", "message": "Broken"}), "Broken", "server_error"),
        ({"type": "response.failed", "error": {"code": "x", "message": "Broken"}}, "Broken", "x"),
        (final(kind="failed"), "the response failed", None),
        ({"error": {"message": "Broken", "code": 500}}, "Broken", "500"),
        (("error", "Broken"), "Broken", None),
    ],
)
def test_an_error_is_understood_in_every_wording(payload: Any, message: str, code: str | None) -> None:
    """Whatever was said before the error is kept."""
    summary = read(CREATED, text("So far"), payload)
    assert summary.error is not None
    assert (summary.error.message, summary.error.code) == (message, code)
    assert summary.text == "So far"


def test_a_whole_response_in_place_of_a_stream_is_read() -> None:
    """A request that did not ask for a stream is answered in one piece."""
    whole = {"object": "response", "model": "m", "status": "completed", "output": [message("Hi"), function_call("{}")]}
    summary = decode_body(tracekit_openai, sse_body(whole).removeprefix(b"data: "), framing=Framing.WHOLE)
    assert (summary.text, summary.model, calls_of(summary)) == ("Hi", "m", [("x", "f", {})])


# Resumed streams


def test_a_resumed_stream_says_all_that_its_last_event_knows() -> None:
    """What was sent before `starting_after` is missing among the deltas, not in the response."""
    summary = read(
        text("lo", 1, sequence_number=7),
        event("output_item.done", 1, item=message("Hello"), sequence_number=8),
        final(function_call("{}"), message("Hello"), model="gpt-5"),
    )
    assert (summary.text, summary.model, calls_of(summary)) == ("Hello", "gpt-5", [("x", "f", {})])


@pytest.mark.parametrize("end", [[], [final()], [{"type": "error", "message": "Broken"}]])
def test_a_resumed_stream_that_never_gets_whole_says_what_it_has(end: list[Any]) -> None:
    """Cut off, failed, or ended by a server that does not repeat the output."""
    assert read(text("l", sequence_number=7), text("o", sequence_number=8), *end).text == "lo"


# Anything at all


@pytest.mark.parametrize("payload", ["[1]", "no JSON", "", {}, {"type": "ping"}, {"type": ["response.created"]}])
def test_a_frame_of_something_else_is_counted_and_passed_over(payload: Any) -> None:
    """One strange frame does not cost the rest."""
    summary = read(CREATED, text("A"), payload, text("B"))
    assert (summary.text, summary.extra) == ("AB", {"unreadable_frames": 1})


KINDS = st.sampled_from(
    [
        "response.created", "response.completed", "response.failed", "response.incomplete", "error", "response.error",
        "response.output_item.added", "response.output_item.done", "response.output_text.delta",
        "response.reasoning_text.delta", "response.reasoning_summary_text.delta", "response.refusal.delta",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done",
        "message", "reasoning", "function_call", "custom_tool_call", "web_search_call",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "type", "delta", "output_index", "item_id", "content_index", "summary_index", "item", "response", "output",
        "content", "summary", "text", "refusal", "arguments", "input", "call_id", "id", "name", "status", "usage",
        "error", "message", "code", "model", "incomplete_details", "sequence_number", "object",
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
ITEMS = st.fixed_dictionaries({"type": KINDS}, optional={"call_id": VALUES, "content": VALUES, "arguments": VALUES})
EVENTS = st.fixed_dictionaries(
    {"type": KINDS},
    optional={
        "output_index": st.integers(0, 2) | VALUES,
        "item": ITEMS | VALUES,
        "delta": VALUES,
        "response": st.fixed_dictionaries({"output": st.lists(ITEMS | VALUES, max_size=3)}) | VALUES,
    },
)


@given(st.lists(EVENTS | VALUES, max_size=8))
def test_any_json_is_read_or_refused(payloads: list[Any]) -> None:
    """Types in the wrong place never make the decoder fail, and all it says is of the right type."""
    summary = read(*payloads)
    assert all(isinstance(words, str) for words in (summary.text, *summary.text_parts, *summary.reasoning_parts))
    assert all(isinstance(each.arguments_raw, str) for each in summary.tool_calls)
    assert all(isinstance(each.name, str | None) and isinstance(each.id, str | None) for each in summary.tool_calls)
    assert isinstance(summary.finish_reason, str | None)
    assert summary.error is None or isinstance(summary.error.message, str)


@given(st.binary(max_size=200), st.sampled_from(Framing))
def test_any_bytes_are_read_or_refused(raw: bytes, framing: Framing) -> None:
    """What is no event raises Unreadable and nothing else."""
    with contextlib.suppress(Unreadable):
        assert all(isinstance(fact, Fact) for fact in tracekit_openai.ResponsesDecoder().feed(Frame(raw, framing)))
