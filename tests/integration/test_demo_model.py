"""The demo's model: deterministic, in three formats, taking any conversation."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import decode_body

import tracekit_anthropic
import tracekit_openai
import tracekit_vercel_ai
from tracekit_admin.demo.model import FORMATS, stream
from tracekit_admin.demo.pacing import ModelBrokeOff, pieces, spoken
from tracekit_admin.demo.script import Answer, Conversation, answer_to, read_conversation

DECODERS = {"openai": tracekit_openai, "anthropic": tracekit_anthropic, "ui": tracekit_vercel_ai}
WEATHER = Conversation("What is the weather in Oslo?")
KEYS = st.sampled_from(["role", "content", "parts", "type", "text"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["role", "content", "parts", "type", "text"]), inner)
    ),
)


def body_of(name: str, answer: Answer) -> bytes:
    return b"".join(beat.data for beat in FORMATS[name].beats(answer))


def decoded(name: str, answer: Answer) -> Any:
    """What the bundled decoder of the format reads, which knows nothing of the model."""
    return decode_body(DECODERS[name], body_of(name, answer), response_headers=FORMATS[name].headers)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("prompt", ["Hello", "Think hard about silence", "请介绍一下"])
def test_the_answer_is_what_a_decoder_of_its_format_reads(name: str, prompt: str) -> None:
    """Text, reasoning, usage and the end of the stream are said as the format says them."""
    answer = answer_to(Conversation(prompt))
    summary = decoded(name, answer)
    assert (summary.text, summary.reasoning, summary.ended) == (answer.text, answer.reasoning, True)
    assert summary.usage["input_tokens"] == answer.input_tokens
    assert summary.usage["output_tokens"] == len(pieces(answer.reasoning)) + len(pieces(answer.text))


@pytest.mark.parametrize("name", FORMATS)
def test_the_weather_calls_a_tool(name: str) -> None:
    """Every format carries the call with its arguments; only the UI message stream has the result as well."""
    answer = answer_to(WEATHER)
    (call,) = decoded(name, answer).tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Oslo", "unit": "celsius"})
    assert call.has_result == (name == "ui")


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_tool_result_is_followed_by_the_text(name: str) -> None:
    """The client runs the tool and asks again; then the answer comes."""
    answer = answer_to(Conversation(WEATHER.prompt, tool_has_answered=True))
    summary = decoded(name, answer)
    assert summary.text == answer.text
    assert "Oslo" in summary.text
    assert summary.tool_calls == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_prompt_gives_the_same_bytes(name: str) -> None:
    """A recording can be compared with a second run."""
    assert body_of(name, answer_to(WEATHER)) == body_of(name, answer_to(WEATHER))


async def gathered(name: str, answer: Answer, into: bytearray) -> None:
    async for data in stream(FORMATS[name], answer, pace=0):
        into += data


@pytest.mark.parametrize("name", FORMATS)
def test_a_prompt_may_ask_for_failure(name: str) -> None:
    """The model breaks off in the middle of its text, after having said some of it."""
    answer, sent = answer_to(Conversation("Fail half-way, please")), bytearray()
    with pytest.raises(ModelBrokeOff):
        anyio.run(gathered, name, answer, sent)
    assert answer.reasoning.split()[-1].encode() in sent
    assert b"[DONE]" not in sent
    assert b"message_stop" not in sent


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    """Nothing of a text is lost when it is cut."""
    assert "".join(pieces(text)) == text
    assert "".join(piece for _, piece in spoken(text)) == text


@given(ANY_JSON)
def test_any_json_is_a_conversation_or_is_refused(messages: object) -> None:
    """Whatever a client sends instead of messages, the model answers or says that it cannot."""
    try:
        conversation = read_conversation(messages)
    except ValueError:
        return
    assert answer_to(conversation).text


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Hi"}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        [{"role": "user", "parts": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}],
        [{"role": "system", "content": "Be short"}, {"role": "user", "content": "Hi"}],
    ],
)
def test_messages_of_each_format_are_understood(messages: list[Any]) -> None:
    """The prompt is the user's last text, wherever the format puts it."""
    assert read_conversation(json.loads(json.dumps(messages))) == Conversation("Hi")
