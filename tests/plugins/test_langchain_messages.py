"""LangGraph tells a message in many ways at once; it is read once, and whole."""

from __future__ import annotations

import pytest
from langchain_messages import HUMAN, ai, call, calls_of, chunk, graph, piece, tool, values, yielded
from stream_corpus import frames_of, sse_body

from tracekit.decoding import Fact, Finished, Reasoning, Text, Usage
from tracekit.transcript import Summary
from tracekit_langchain import LangGraphDecoder

# The same message told many ways


def test_pieces_growing_messages_updates_and_states_tell_a_message_once() -> None:
    """Modes are asked for together; each of them has the whole answer."""
    summary = graph(
        values(HUMAN),
        piece(chunk("Half ")),
        ("messages/partial", [ai("Half ")]),
        piece(chunk("past ten")),
        ("messages/partial", [ai("Half past ten")]),
        ("messages/complete", [ai("Half past ten.")]),
        ("updates", {"agent": {"messages": [ai("Half past ten.")]}}),
        values(HUMAN, ai("Half past ten.")),
    )
    assert summary.text == "Half past ten."


def test_a_growing_message_tells_only_what_is_new() -> None:
    """Cumulative frames cost a quadratic number of bytes already; the facts must not."""
    decoder, grown = LangGraphDecoder(), "word " * 200
    facts: list[Fact] = []
    for end in range(0, len(grown) + 1, 5):
        content = [{"type": "thinking", "thinking": grown[:end]}, {"type": "text", "text": grown[:end]}]
        (frame,) = frames_of(sse_body(("messages/partial", [ai(content)])))
        facts += decoder.feed(frame)
    assert "".join(fact.text for fact in facts if isinstance(fact, Text)) == grown
    assert "".join(fact.text for fact in facts if isinstance(fact, Reasoning)) == grown


def test_a_message_that_ends_under_another_id_is_not_told_twice() -> None:
    """OpenAI's Responses API gives the final message an id of its own."""
    calls = [call({"a": 1})]
    summary = graph(
        piece(chunk("Hi", "lc_run--1")),
        piece(chunk("", "lc_run--2", tool_call_chunks=[call('{"a":1}', index=0)])),
        values(HUMAN, ai("Hi", "resp_1"), ai("", "resp_2", tool_calls=calls)),
        values(HUMAN, ai("Hi", "resp_1"), ai("", "resp_2", tool_calls=calls)),
    )
    assert (summary.text, calls_of(summary)) == ("Hi", [("c", "f", {"a": 1}, None)])


def test_two_messages_of_the_same_words_are_two() -> None:
    """Only a streamed message may be the same one under another id."""
    assert graph(values(HUMAN), values(HUMAN, ai("OK", "1"), ai("OK", "2"))).text_parts == ["OK", "OK"]


def test_messages_without_ids_are_known_by_their_place() -> None:
    """A state without ids repeats them in the same order."""
    first, second = ai("One.", None), ai("Two.", None)
    summary = graph(values(HUMAN), values(HUMAN, first), values(HUMAN, first, second))
    assert summary.text_parts == ["One.", "Two."]


def test_the_history_in_a_state_is_no_answer() -> None:
    """The first state is what the run was started with; `messages/complete` may bring the thread along, too."""
    history = [HUMAN, ai("Noon.", "old", tool_calls=[call({})]), tool("12:00", id="t"), {**HUMAN, "id": "h2"}]
    answer = ai("Still noon.", "new")
    by_values = graph(values(*history), values(*history, answer))
    by_complete = graph(("messages/complete", history), ("messages/complete", [answer]))
    for summary in (by_values, by_complete):
        assert (summary.text, summary.tool_calls, summary.extra) == ("Still noon.", [], {})


def test_a_single_state_answers_the_last_question() -> None:
    """A stream that was joined late may have no more than one."""
    assert graph(values(HUMAN, ai("Noon."))).text == "Noon."


def test_a_question_that_a_node_puts_does_not_hide_the_answers_before_it() -> None:
    """Supervisors pass results on as messages of a person; only the first state tells what is history."""
    summary = graph(values(HUMAN), values(HUMAN, ai("A", "1"), {**HUMAN, "id": "h2"}, ai("B", "2")))
    assert summary.text_parts == ["A", "B"]


def test_events_of_subgraphs_are_read_like_others() -> None:
    """`|namespace` follows the name; each subgraph starts with a state of its own."""
    summary = graph(
        values(HUMAN),
        ("values|sub:1", {"messages": [{**HUMAN, "id": "h2"}]}),
        ("messages|sub:1", [chunk("Hi"), {}]),
        ("values|sub:1", {"messages": [{**HUMAN, "id": "h2"}, ai("Hi")]}),
    )
    assert summary.text == "Hi"


def test_events_that_say_nothing_of_the_answer_are_passed_over() -> None:
    """Debugging, checkpoints, tasks and what the app sends; a name of later versions is no fault either."""
    summary = graph(
        ("debug", {"type": "task_result", "payload": {"result": [["messages", [ai("Hi")]]]}}),
        *((name, {"messages": [ai("Hi")]}) for name in ("checkpoints", "tasks", "custom", "feedback", "unheard-of")),
    )
    assert summary == Summary()


def test_updates_of_every_form_are_read() -> None:
    """A node may change nothing, answer one message, or send several updates."""
    summary = graph(
        ("updates", {"quiet": None, "__interrupt__": [{"value": "Sure?"}]}),
        ("updates", {"one": {"messages": ai("A", "1")}}),
        ("updates", {"many": [{"messages": [ai("B", "2")]}, {"other": 1}]}),
    )
    assert summary.text_parts == ["A", "B"]
    assert summary.extra == {"interrupts": [{"value": "Sure?"}]}


def test_a_state_may_be_a_list_of_messages() -> None:
    """Message graphs have no other state."""
    assert graph(("values", [HUMAN]), ("values", [HUMAN, ai("Hi")])).text == "Hi"


def test_pieces_of_javascript_servers_are_pieces() -> None:
    """They are called `ai` like whole messages; only pieces have `tool_call_chunks`."""
    assert graph(*(piece({**chunk(text), "type": "ai"}) for text in ("Hi ", "you"))).text == "Hi you"


# Content


def test_content_in_parts_is_told_apart_by_type() -> None:
    """Each provider has its own word for thinking."""
    summary = graph(
        piece(chunk([{"type": "thinking", "thinking": "a"}, {"type": "thinking", "signature": "c2ln"}])),
        piece(chunk([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "b"}]}])),
        piece(chunk([{"type": "reasoning", "reasoning": "c"}])),
        piece(chunk([{"type": "reasoning_content", "reasoning_content": {"text": "d"}}])),
        piece(chunk("", additional_kwargs={"reasoning_content": "e"})),
        piece(
            chunk(["Plain, ", {"type": "text", "text": "typed"}, {"type": "image_url", "image_url": {}}, {"text": "."}])
        ),
        piece(chunk([{"type": "tool_use", "name": "f", "input": {}}, {"type": "input_json_delta", "text": "x"}])),
    )
    assert (summary.reasoning, summary.text) == ("abcde", "Plain, typed.")


def test_the_serialised_form_of_langchain_is_opened() -> None:
    """Older servers send constructors instead of messages."""
    path = ["langchain", "schema", "messages", "AIMessageChunk"]
    wrapped = {"lc": 1, "type": "constructor", "id": path, "kwargs": {"content": "Hi", "id": "m"}}
    assert (graph(piece(wrapped)).text, yielded(wrapped, wrapped).text) == ("Hi", "HiHi")


@pytest.mark.parametrize("name", ["finish_reason", "stop_reason", "stopReason", "done_reason"])
def test_the_finish_reason_is_found_under_each_of_its_names(name: str) -> None:
    """Integrations keep the provider's own name for it."""
    assert graph(piece(chunk("Hi", response_metadata={name: "length"}))).finish_reason == "length"


def test_an_older_message_told_again_does_not_take_the_last_word() -> None:
    """A state repeats every message with its finish reason."""
    asked = ai("", "1", tool_calls=[call({})], response_metadata={"finish_reason": "tool_calls"})
    decoder = LangGraphDecoder()
    events = [values(HUMAN), values(HUMAN, asked), values(HUMAN, asked), piece(chunk("Hi", "2"))]
    facts = [fact for frame in frames_of(sse_body(*events)) for fact in decoder.feed(frame)]
    assert [fact for fact in facts if isinstance(fact, Finished)] == [Finished("tool_calls")]


def test_the_model_that_answered_goes_before_the_one_that_was_asked() -> None:
    """`ls_model_name` is what the app asked for; it counts where nothing better is told."""
    asked = {"ls_model_name": "gpt-x"}
    answered = chunk("Hi", response_metadata={"model_name": "gpt-x-2025"})
    assert graph(piece(chunk("Hi"), **asked)).model == "gpt-x"
    assert graph(piece(chunk(""), **asked), piece(answered, **asked)).model == "gpt-x-2025"
    assert graph(("messages/metadata", {"m": {"metadata": asked}}), ("messages/partial", [ai("Hi")])).model == "gpt-x"


# Usage


def test_token_counts_of_pieces_are_summed_and_those_of_states_are_not() -> None:
    """LangChain adds up what the pieces of a message say; a state has the sum."""
    details = {"input_token_details": {"cache_read": 2}, "output_token_details": {"reasoning": 1}}
    first = {"input_tokens": 5, "output_tokens": 0, "total_tokens": 5}
    last = {"input_tokens": 0, "output_tokens": 7, "total_tokens": 7, **details}
    whole = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12, **details}
    summary = graph(
        values(HUMAN),
        piece(chunk("", usage_metadata=first)),
        piece(chunk("Hi", usage_metadata=last)),
        values(HUMAN, ai("Hi", usage_metadata=whole)),
        values(HUMAN, ai("Hi", usage_metadata=whole), ai("Bye", "2", usage_metadata=first)),
    )
    assert summary.extra["usage_per_message"] == [
        {"input_tokens": 5, "output_tokens": 7},
        {"input_tokens": 5, "output_tokens": 0},
    ]
    assert summary.usage == {
        "input_tokens": 10,
        "output_tokens": 7,
        "total_tokens": 17,
        "cache_read_input_tokens": 2,
        "reasoning_tokens": 1,
    }


def test_counts_told_again_are_no_news() -> None:
    """Each state repeats the counts of every message."""
    decoder, state = LangGraphDecoder(), values(ai("Hi", usage_metadata={"input_tokens": 1, "output_tokens": 1}))
    facts = [fact for frame in frames_of(sse_body(state, state)) for fact in decoder.feed(frame)]
    assert sum(isinstance(fact, Usage) for fact in facts) == 1
