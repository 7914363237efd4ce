"""The content blocks of Anthropic's streams: text, thoughts, calls and what answers them."""

from __future__ import annotations

from anthropic_events import START, STOP, TEXT, block, decoded, delta, end_of_block, ending, text
from hostile_json import frame_of

import tracekit_anthropic
from tracekit.decoding import Ended, Noted


def test_thoughts_and_text_are_told_apart() -> None:
    """Signatures and redacted thinking are neither; a block may begin with text already in it."""
    summary = decoded(
        START,
        block(0, type="thinking", thinking="Hm", signature=""),
        delta(0, type="thinking_delta", thinking="m."),
        delta(0, type="signature_delta", signature="c2ln"),
        end_of_block(0),
        block(1, type="redacted_thinking", data="b64"),
        end_of_block(1),
        block(2, type="text", text="A"),
        text("nswer", 2),
        delta(2, type="citations_delta", citation={"cited_text": "x"}),
    )
    assert (summary.reasoning, summary.text) == ("Hmm.", "Answer")
    assert summary.extra["blocks"] == ["thinking", "redacted_thinking", "text"]


def test_calls_are_put_together_and_meet_their_results() -> None:
    """Calls of the client, of the server and of MCP servers; results come as blocks that name the call."""
    summary = decoded(
        START,
        block(0, type="server_tool_use", id="s1", name="web_search", input={}),
        delta(0, type="input_json_delta", partial_json=""),
        delta(0, type="input_json_delta", partial_json='{"query": '),
        delta(0, type="input_json_delta", partial_json='"x"}'),
        end_of_block(0),
        block(1, type="web_search_tool_result", tool_use_id="s1", content=[{"title": "X"}]),
        end_of_block(1),
        block(2, type="mcp_tool_use", id="m1", name="ask", server_name="wiki", input={}),
        end_of_block(2),
        block(3, type="mcp_tool_result", tool_use_id="m1", is_error=True, content="no"),
        end_of_block(3),
        block(4, type="tool_use", id="t1", name="get", input={}),
        delta(4, type="input_json_delta", partial_json='{"cut": "of'),
        end_of_block(4),
    )
    told = [(call.id, call.name, call.kind, call.arguments, call.result, call.is_error) for call in summary.tool_calls]
    assert told == [
        ("s1", "web_search", "server_tool_use", {"query": "x"}, [{"title": "X"}], False),
        ("m1", "ask", "mcp_tool_use", {}, "no", True),
        ("t1", "get", "client", '{"cut": "of', None, False),
    ]


def test_an_error_code_in_a_result_makes_it_one_of_an_error() -> None:
    """Server tools have no `is_error`; their result is an object with an error_code instead."""
    result = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    summary = decoded(
        START,
        block(0, type="server_tool_use", id="s1", name="web_search", input={}),
        block(1, type="web_search_tool_result", tool_use_id="s1", content=result),
    )
    assert summary.tool_calls[0].is_error


def test_a_result_of_an_earlier_response_makes_no_call() -> None:
    """After pause_turn a result can stand in a stream without its call."""
    summary = decoded(START, block(0, type="web_search_tool_result", tool_use_id="s0", content=[]), end_of_block(0))
    assert summary.tool_calls == []
    assert summary.extra["blocks"] == ["web_search_tool_result"]


def test_an_input_that_stands_whole_in_the_start_is_the_arguments() -> None:
    """Some proxies send the input at once and no pieces of it."""
    call = block(0, type="tool_use", id="t1", name="get", input={"city": "Paris"})
    assert decoded(START, call, end_of_block(0)).tool_calls[0].arguments == {"city": "Paris"}


def test_blocks_that_share_an_index_stay_apart() -> None:
    """Some proxies number every block 0."""
    summary = decoded(
        START,
        TEXT,
        text("One"),
        end_of_block(0),
        TEXT,
        text("Two"),
        end_of_block(0),
        *(
            event
            for name in ("a", "b")
            for event in (
                block(0, type="tool_use", id=name, name=name, input={}),
                delta(0, type="input_json_delta", partial_json=f'{{"n": "{name}"}}'),
                end_of_block(0),
            )
        ),
    )
    assert summary.text_parts == ["One", "Two"]
    assert [call.arguments for call in summary.tool_calls] == [{"n": "a"}, {"n": "b"}]


def test_what_a_proxy_says_twice_counts_once() -> None:
    """A repeated message_start or content_block_start begins nothing new."""
    tool = block(1, type="tool_use", id="t1", name="get", input={})
    summary = decoded(START, START, TEXT, TEXT, text("Hi"), tool, START, tool, end_of_block(1))
    assert summary.extra["blocks"] == ["text", "tool_use"]
    assert len(summary.tool_calls) == 1


def test_a_second_message_in_one_body_keeps_its_blocks_to_itself() -> None:
    """An agent that streams several model calls in one response starts its indices anew."""
    second = {"type": "message_start", "message": {"id": "msg_2", "model": "claude-x", "usage": {}}}
    summary = decoded(START, TEXT, text("One"), end_of_block(0), STOP, second, TEXT, text("Two"), STOP)
    assert summary.text_parts == ["One", "Two"]


def test_the_model_that_took_over_is_the_one_that_answered() -> None:
    """A fallback block names the model that goes on."""
    fallback = block(0, type="fallback", **{"from": {"model": "claude-x"}, "to": {"model": "claude-y"}})
    assert decoded(START, fallback, end_of_block(0)).model == "claude-y"


def test_what_is_not_known_is_passed_over() -> None:
    """New events, blocks and deltas are no errors; the stream around them is read as ever."""
    summary = decoded(
        START,
        block(0, type="hologram", shape="cube"),
        delta(0, type="hologram_delta", shape="sphere"),
        delta(0, type="input_json_delta", partial_json="{}"),
        end_of_block(0),
        {"type": "message_thought", "depth": 3},
        block(1, type="compaction", content=None),
        delta(1, type="compaction_delta", content="Earlier on ..."),
        end_of_block(1),
        block(2, type="text", text=""),
        text("Hi", 2),
        ending(stop_reason="pause_turn"),
    )
    assert (summary.text, summary.finish_reason, summary.tool_calls) == ("Hi", "pause_turn", [])
    assert summary.extra["blocks"] == ["hologram", "compaction", "text"]


def test_facts_of_the_end_are_said_once_the_stream_has_ended() -> None:
    """A decoder that was fed nothing has nothing to say; one that saw a message names its blocks."""
    decoder = tracekit_anthropic.MessagesDecoder()
    assert decoder.finish() == ()
    assert decoder.feed(frame_of(STOP)) == (Ended(),)
    decoder.feed(frame_of(START))
    assert decoder.finish() == (Noted("blocks", []),)
