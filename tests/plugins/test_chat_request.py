"""What a chat request says of itself, in every format and in none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hostile_json import ANY_JSON
from hypothesis import given
from hypothesis import strategies as st

import tracekit_chat_request
from tracekit.requests import RequestDescription, RequestInfo
from tracekit.testing import record_stream

IMAGE = "data:image/png;base64,AAAA"

OPENAI_CHAT = {
    "model": "gpt-5",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes?"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}],
        },
    ],
    "temperature": 0.2,
    "max_completion_tokens": 300,
    "stream": True,
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "metadata": {"session_id": "s-1"},
}
RESPONSES = {
    "model": "gpt-5-mini",
    "instructions": "Be brief.",
    "conversation": {"id": "conv_1"},
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi there"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "3"},
    ],
    "max_output_tokens": 50,
    "reasoning": {"effort": "high"},
    "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}],
}
ANTHROPIC = {
    "model": "claude-x",
    "max_tokens": 1000,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "w", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sunny"}]},
    ],
    "tools": [{"name": "w", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}],
}
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": "Describe"}, {"inlineData": {"mimeType": "audio/wav", "data": ""}}]}
    ],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "generationConfig": {"temperature": 1, "maxOutputTokens": 9, "topK": 40},
    "tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"googleSearch": {}}],
}
COHERE_V1 = {
    "message": "Now?",
    "chat_history": [{"role": "USER", "message": "Before"}],
    "model": "command",
    "preamble": "Be",
}
OLLAMA = {
    "model": "llama3",
    "messages": [{"role": "user", "content": "Hey", "images": ["AAAA"]}],
    "options": {"num_predict": 7, "seed": 1},
    "stream": True,
}
GENERATE = {"model": "llama3", "prompt": "Once upon", "system": "Be brief."}
UI_CHAT = {
    "id": "chat-7",
    "trigger": "submit-message",
    "messages": [
        {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Old"}]},
        {"id": "m2", "role": "assistant", "parts": [{"type": "step-start"}, {"type": "text", "text": "Hm"}]},
        {
            "id": "m3",
            "role": "user",
            "parts": [{"type": "text", "text": "Look"}, {"type": "file", "mediaType": "image/png", "url": IMAGE}],
        },
    ],
}
UI_SINGLE = {"id": "chat-8", "message": {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Only this"}]}}
AG_UI = {
    "threadId": "thread-1",
    "runId": "run-1",
    "messages": [{"id": "1", "role": "user", "content": "Plan it"}],
    "tools": [{"name": "plan", "parameters": {}}],
    "forwardedProps": {"clientMessageId": "cm-1"},
    "context": [],
    "state": {},
}
LANGGRAPH = {
    "assistant_id": "agent",
    "input": {"messages": [["human", "From a pair"], {"type": "ai", "content": "no"}]},
    "config": {"configurable": {"thread_id": "th-1", "model": "claude-x"}},
}
LANGSERVE = {"input": {"question": "Why?", "chat_history": []}, "config": {"configurable": {"session_id": "ls-1"}}}


def described(body: Any, path: str = "/chat", query: str = "") -> RequestDescription:
    raw = json.dumps(body).encode()
    request = RequestInfo("POST", path, query, {"content-type": "application/json"}, raw, len(raw), body)
    answer = tracekit_chat_request.tracekit_describe_request(request)
    assert isinstance(answer, RequestDescription)
    return answer


@pytest.mark.parametrize(
    ("body", "prompt", "model", "session_id"),
    [
        pytest.param(OPENAI_CHAT, "What is this?\n[image]", "gpt-5", "s-1", id="openai-chat"),
        pytest.param(RESPONSES, "Hi there", "gpt-5-mini", "conv_1", id="openai-responses"),
        pytest.param({"model": "m", "input": "Just text"}, "Just text", "m", None, id="openai-responses-text"),
        pytest.param(ANTHROPIC, "Weather?", "claude-x", None, id="anthropic"),
        pytest.param(GEMINI, "Describe\n[audio]", None, None, id="gemini"),
        pytest.param(COHERE_V1, "Now?", "command", None, id="cohere-v1"),
        pytest.param(OLLAMA, "Hey", "llama3", None, id="ollama-chat"),
        pytest.param(GENERATE, "Once upon", "llama3", None, id="ollama-generate"),
        pytest.param(UI_CHAT, "Look\n[image]", None, "chat-7", id="ui-message-stream"),
        pytest.param(UI_SINGLE, "Only this", None, "chat-8", id="ui-message-stream-single"),
        pytest.param(AG_UI, "Plan it", None, "thread-1", id="ag-ui"),
        pytest.param(LANGGRAPH, "From a pair", "claude-x", "th-1", id="langgraph"),
        pytest.param(LANGSERVE, "Why?", None, "ls-1", id="langserve"),
        pytest.param({"input": "Plain"}, "Plain", None, None, id="langserve-text"),
        pytest.param({"prompt": ["a", "b"]}, "a\nb", None, None, id="completions"),
    ],
)
def test_a_known_format_is_understood(body: Any, prompt: str, model: str | None, session_id: str | None) -> None:
    """The last thing the user said, the model that is asked, the conversation."""
    found = described(body)
    assert (found.prompt, found.model, found.session_id) == (prompt, model, session_id)


@pytest.mark.parametrize("name", ["message", "prompt", "question", "query", "input", "text", "user_input", "q"])
def test_a_question_under_a_usual_name_is_the_prompt(name: str) -> None:
    """Home-made bodies have one field for what the user wrote."""
    assert described({name: " Hello? ", "other": "x"}).prompt == "Hello?"


@pytest.mark.parametrize(
    "name",
    ["sessionId", "session_id", "conversationId", "conversation_id", "threadId", "thread_id", "chatId", "chat_id"],
)
@pytest.mark.parametrize(
    "place", [(), ("metadata",), ("configurable",), ("config", "configurable"), ("forwardedProps",)]
)
def test_a_conversation_is_found_wherever_formats_put_it(name: str, place: tuple[str, ...]) -> None:
    """At the top, or inside the objects that are the app's own."""
    body: dict[str, Any] = {name: "abc"}
    for key in reversed(place):
        body = {key: body}
    assert described({"messages": [], **body}).session_id == "abc"


def test_the_ids_of_messages_are_found() -> None:
    """Both spellings; a number is an id too, and what is none is passed over."""
    found = described({"messageId": "m-1", "client_message_id": 42})
    assert (found.message_id, found.client_message_id) == ("m-1", "42")
    found = described({"message_id": True, "clientMessageId": ["x"], "sessionId": "  ", "session_id": 7})
    assert (found.message_id, found.client_message_id, found.session_id) == (None, None, "7")


def test_an_id_that_may_be_anything_is_no_conversation() -> None:
    """`id` counts only beside messages of a chat; a `conversation` that is a transcript does not."""
    assert described({"id": "req-1", "messages": [{"role": "user", "content": "x"}]}).session_id is None
    assert described({"conversation": "User: hello", "prompt": "x"}).session_id is None


def test_what_stands_in_the_path_is_found() -> None:
    """Gemini, Bedrock and Azure name the model there, LangGraph the thread."""
    assert described({}, "/v1beta/models/gemini-pro:streamGenerateContent").model == "gemini-pro"
    assert described({}, "/model/anthropic.claude%3A0/converse-stream").model == "anthropic.claude:0"
    assert described({}, "/openai/deployments/my-gpt/chat/completions").model == "my-gpt"
    assert described({}, "/threads/th-9/runs/stream").session_id == "th-9"


def test_a_query_speaks_where_there_is_no_body() -> None:
    """A browser's EventSource can send nothing else."""
    found = described(None, query="q=How+are+you%3F&session_id=s&model=m")
    assert (found.prompt, found.session_id, found.model) == ("How are you?", "s", "m")
    assert described([1, 2], query="&".join(["a=b"] * 1000)) == RequestDescription()


def test_parameters_have_one_name_in_all_formats() -> None:
    """Metadata stay small: numbers, names, counts, never the texts themselves."""
    assert described(OPENAI_CHAT).metadata == {
        "temperature": 0.2, "max_tokens": 300, "stream": True, "messages": 4, "tools": ["get_weather"],
        "tool_choice": "get_weather", "reasoning_effort": "low", "system_prompt_characters": 9,
    }  # fmt: skip
    assert described(RESPONSES).metadata == {
        "max_tokens": 50, "messages": 3, "tools": ["web_search", "f"], "reasoning_effort": "high",
        "system_prompt_characters": 9,
    }  # fmt: skip
    assert described(ANTHROPIC).metadata == {
        "max_tokens": 1000, "messages": 3, "tools": ["w", "web_search"], "system_prompt_characters": 9,
    }  # fmt: skip
    assert described(GEMINI).metadata == {
        "temperature": 1, "top_k": 40, "max_tokens": 9, "messages": 1, "tools": ["a", "b", "googleSearch"],
        "system_prompt_characters": 9,
    }  # fmt: skip
    assert described(OLLAMA).metadata == {"max_tokens": 7, "seed": 1, "stream": True, "messages": 1}


@pytest.mark.parametrize("number", [True, "0.5", float("nan"), float("inf"), 10**400, None, [1]])
def test_a_parameter_that_is_no_number_is_left_out(number: Any) -> None:
    """A column of numbers holds numbers."""
    assert described({"temperature": number}).metadata == {}


DOCUMENTS = [
    OPENAI_CHAT,
    RESPONSES,
    ANTHROPIC,
    GEMINI,
    COHERE_V1,
    OLLAMA,
    UI_CHAT,
    UI_SINGLE,
    AG_UI,
    LANGGRAPH,
    LANGSERVE,
]


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for name, inner in members for place in places(inner, (*here, name)))]


@given(st.data())
def test_any_value_in_any_place_is_survived(data: st.DataObject) -> None:
    """Whatever a client sends, the answer is a description whose facts are texts, or none."""
    body = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    place = data.draw(st.sampled_from(places(body)[1:]))
    container: Any = body
    for step in place[:-1]:
        container = container[step]
    container[place[-1]] = data.draw(ANY_JSON)
    found = described(body)
    facts = (found.session_id, found.message_id, found.client_message_id, found.model, found.prompt)
    assert all(fact is None or (isinstance(fact, str) and fact) for fact in facts)
    json.dumps(dict(found.metadata), allow_nan=False)


@given(ANY_JSON)
def test_any_document_is_survived(body: Any) -> None:
    """Also one that is no object at all."""
    described(body)


def test_a_trace_shows_what_the_request_said() -> None:
    """Through the whole pipeline: ids, prompt and metadata stand in the trace's row."""
    body = UI_CHAT | {"clientMessageId": "cm-1", "temperature": 0.5}
    row = record_stream(b"data: hello\n\n", request_body=body).row
    assert (row["session_id"], row["client_message_id"], row["prompt_preview"]) == ("chat-7", "cm-1", "Look\n[image]")
    assert row["metadata"] == {"temperature": 0.5, "messages": 3}
