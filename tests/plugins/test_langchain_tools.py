"""Tool calls and their results in the messages of LangGraph."""

from __future__ import annotations

from langchain_messages import HUMAN, ai, call, calls_of, chunk, graph, piece, tool, values
from stream_corpus import frames_of, sse_body

from tracekit.decoding import ToolFinished
from tracekit_langchain import LangGraphDecoder


def test_pieces_of_a_call_are_put_together_by_index() -> None:
    """Only the first piece has id and name; another id at the same index is another call."""
    summary = graph(
        piece(chunk(tool_call_chunks=[call('{"a"', index=0), call("[", "d", "g", index=1)])),
        piece(chunk(tool_call_chunks=[call(":1}", None, None, index=0), call("]", None, None, index=1)])),
        piece(chunk(tool_call_chunks=[call("{}", "e", "h", index=0)])),
    )
    assert calls_of(summary) == [("c", "f", {"a": 1}, None), ("d", "g", [], None), ("e", "h", {}, None)]


def test_pieces_without_an_index_belong_to_the_call_before() -> None:
    """Some integrations count no calls."""
    summary = graph(
        piece(chunk(tool_call_chunks=[call('{"a"')])), piece(chunk(tool_call_chunks=[call(":1}", None, None)]))
    )
    assert calls_of(summary) == [("c", "f", {"a": 1}, None)]


def test_an_id_that_comes_late_names_the_call_it_belongs_to() -> None:
    """The state tells the call again under its id."""
    summary = graph(
        piece(chunk(tool_call_chunks=[call("{", None, "f", index=0)])),
        piece(chunk(tool_call_chunks=[call("}", "c", None, index=0)])),
        values(HUMAN, ai(tool_calls=[call({})])),
    )
    assert calls_of(summary) == [("c", "f", {}, None)]


def test_calls_of_different_messages_may_share_an_id() -> None:
    """Local models count from zero in every message; a result goes to the latest call of its id."""
    summary = graph(
        piece(chunk("", "1", tool_call_chunks=[call("[1]", "call_0", index=0)])),
        piece(tool("one", "call_0", id="t1")),
        piece(chunk("", "2", tool_call_chunks=[call("[2]", "call_0", index=0)])),
        piece(tool("two", "call_0", id="t2")),
        values(HUMAN, tool("one", "call_0", id="t1"), tool("two", "call_0", id="t2")),
    )
    assert calls_of(summary) == [("call_0", "f", [1], "one"), ("call_0", "f", [2], "two")]


def test_arguments_of_a_growing_message_are_the_last_ones_told() -> None:
    """They are parsed at every step, and complete when the message has a finish reason."""
    decoder = LangGraphDecoder()
    done = ai(tool_calls=[call({"a": 12})], response_metadata={"stop_reason": "tool_use"})
    growing = [("messages/partial", [message]) for message in (ai(tool_calls=[call({"a": 1})]), done, done)]
    facts = [fact for frame in frames_of(sse_body(*growing)) for fact in decoder.feed(frame)]
    assert [fact.arguments for fact in facts if isinstance(fact, ToolFinished)] == [{"a": 12}]


def test_a_stream_that_broke_off_has_the_arguments_that_came() -> None:
    """Parsed as far as they were told, or the text that could not be parsed."""
    broken = ai(invalid_tool_calls=[call('{"a": ', error=None)])
    assert calls_of(graph(("messages/partial", [broken]))) == [("c", "f", '{"a": ', None)]
    assert calls_of(graph(("messages/partial", [ai(tool_calls=[call({"a": 1})])]))) == [("c", "f", {"a": 1}, None)]


def test_what_a_tool_answered_is_told_once() -> None:
    """Text in parts is joined; a failed call is marked."""
    answer = tool([{"type": "text", "text": "4"}, {"type": "text", "text": "2"}], status="error")
    summary = graph(
        piece(chunk(tool_call_chunks=[call("{}", index=0)])), piece(answer), values(HUMAN, {**answer, "id": "later"})
    )
    assert summary.extra["tool_results"] == [{"id": "c", "content": "42"}]
    assert (summary.tool_calls[0].result, summary.tool_calls[0].is_error) == ("42", True)


def test_a_result_whose_call_was_in_an_earlier_run_names_its_call() -> None:
    """After an interrupt the result comes in a run of its own."""
    assert calls_of(graph(piece(tool("done")))) == [("c", "f", {}, "done")]
