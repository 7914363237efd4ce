"""What web searches asked and found, as artifacts of the call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_json import ANY_JSON
from hypothesis import given
from hypothesis import strategies as st
from stream_corpus import cases, sse_body

import tracekit_web_search
from tracekit.testing import RecordedTrace, record_stream
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall

HITS = [
    {"title": "One", "url": "https://one.test/", "snippet": "first words"},
    {"title": "Two", "link": "https://two.test/", "content": "second words"},
]
LINKS = [{"url": "https://one.test/", "title": "One"}, {"url": "https://two.test/", "title": "Two"}]


def trace_info(**_: Any) -> tuple[TraceInfo, list[dict[str, Any]]]:
    logged: list[dict[str, Any]] = []
    return TraceInfo(
        "0" * 32, "dev", lambda event_type, **payload: logged.append({"type": event_type, **payload})
    ), logged


def artifact(result: Any, arguments: Any = None, name: str | None = "web_search") -> dict[str, Any] | None:
    call = ToolCall(id="c1", name=name, arguments=arguments, result=result, has_result=result is not None)
    found = tracekit_web_search.tracekit_tool_call_finished(trace_info()[0], call)
    return None if found is None else dict(found)


def searched(tool: str, result: Any, error: str | None = None) -> RecordedTrace:
    """A chat whose stream shows one call with its result."""
    end = {"type": "tool-output-available", "toolCallId": "c1", "output": result}
    if error:
        end = {"type": "tool-output-error", "toolCallId": "c1", "errorText": error}
    call = {"type": "tool-input-available", "toolCallId": "c1", "toolName": tool, "input": {"query": "tracing"}}
    return record_stream(sse_body({"type": "start"}, call, end, {"type": "finish"}, "[DONE]"))


def test_a_search_leaves_an_artifact_in_the_trace() -> None:
    """Query, number of results, links and the text, as an event that names the call."""
    (event,) = searched("web_search", {"results": HITS}).events_of("artifact.added")
    assert event.payload == {
        "tool_call_id": "c1",
        "kind": "web_search",
        "queries": ["tracing"],
        "result_count": 2,
        "links": LINKS,
        "text": "first words\n\nsecond words",
    }


def test_a_search_that_failed_leaves_what_was_asked() -> None:
    """The artifact says that it failed."""
    (event,) = searched("web_search", None, error="quota exceeded").events_of("artifact.added")
    assert event.payload == {"tool_call_id": "c1", "kind": "web_search", "queries": ["tracing"], "failed": True}


@pytest.mark.parametrize(
    "name",
    [
        "web_search", "WebSearch", "webSearch", "web-search", "search_web", "search", "google_search", "googleSearch",
        "bing_search", "brave_web_search", "tavily", "tavily_search_results_json", "duckduckgo_search", "ddg_search",
        "serpapi", "serper", "exa_search", "mcp__brave__brave_web_search", "web_search_20250305", "web_search_call",
        "internet_search", "searchTheWeb", "news_search",
    ],
)  # fmt: skip
def test_searches_of_the_web_are_recognised(name: str) -> None:
    """As apps name their tools, and as providers name theirs."""
    assert artifact(HITS, name=name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "search_files",
        "vector_search",
        "google_calendar",
        "research",
        "search_orders",
        "read_web_page",
        "web_fetch",
        "",
        None,
    ],
)
def test_other_tools_leave_none(name: str | None) -> None:
    """A search in files or orders is not one of the web."""
    assert artifact(HITS, name=name) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"query": "a"}, ["a"]), ({"q": " a "}, ["a"]), ({"queries": ["a", "b"]}, ["a", "b"]), ("a", ["a"]),
        ({"search_query": [{"q": "a"}, {"query": "b"}]}, ["a", "b"]), ({"action": {"query": "a"}}, ["a"]),
        ({"limit": 3}, []), (None, []), ([], []), ({"query": 3}, []),
    ],
)  # fmt: skip
def test_queries_are_found_under_usual_names(arguments: Any, expected: list[str]) -> None:
    """One or several; what is no text is none."""
    found = artifact(HITS, arguments)
    assert found is not None
    assert found["queries"] == expected


@pytest.mark.parametrize(
    "result",
    [
        HITS, {"results": HITS}, {"organic": HITS}, {"webPages": {"value": HITS}}, {"web": {"results": HITS}},
        {"data": {"items": HITS}}, json.dumps({"results": HITS}), {"content": [{"type": "text", "text": "x"}, *HITS]},
        [HITS[:1], HITS[1:]], {"output": json.dumps(HITS)},
    ],
    ids=range(10),
)  # fmt: skip
def test_results_are_found_in_the_shapes_of_search_services(result: Any) -> None:
    """Lists, objects around lists, JSON as text."""
    found = artifact(result)
    assert found is not None
    assert (found["result_count"], found["links"]) == (2, LINKS)


def test_a_result_that_is_text_gives_its_links() -> None:
    """Each once, without the punctuation behind it."""
    found = artifact("See https://one.test/a, (https://two.test) and https://one.test/a.")
    assert found is not None
    assert found["links"] == [{"url": "https://one.test/a"}, {"url": "https://two.test"}]
    assert found["text"].startswith("See https://one.test/a,")


def test_a_search_whose_result_nobody_showed_has_no_count() -> None:
    """Not known is not none: null, never 0."""
    found = artifact(None, {"query": "a"})
    assert found == {"kind": "web_search", "queries": ["a"], "result_count": None, "links": [], "text": ""}
    assert artifact([]) == {"kind": "web_search", "queries": [], "result_count": 0, "links": [], "text": ""}


def test_an_artifact_stays_small() -> None:
    """However much was found, what is recorded of it has a bound."""
    hits = [
        {"url": f"https://{number}.test/" + "x" * 9000, "title": "t" * 9000, "text": "w" * 9000}
        for number in range(900)
    ]
    found = artifact(hits)
    assert found is not None
    assert found["result_count"] == 900
    assert (len(found["links"]), len(found["text"])) == (50, 8000)
    assert max(len(link["url"]) for link in found["links"]) == 2000


@given(ANY_JSON | st.text(), ANY_JSON | st.text())
def test_any_result_is_survived(result: Any, arguments: Any) -> None:
    """Tools answer what they like."""
    found = artifact(result, arguments)
    assert found is not None
    json.dumps(found)


def test_a_deep_or_wide_result_costs_little() -> None:
    """The walk through a result has a bound of its own."""
    deep: Any = HITS
    for _ in range(10_000):
        deep = {"results": deep}
    wide = {"results": [{"results": [{"results": []}] * 1000}] * 1000}
    for result in (deep, wide, "[" * 1_000_000, "https://" * 200_000):
        assert artifact(result) is not None


@pytest.mark.parametrize("stream", cases("anthropic", "ui-message-stream"))
def test_recorded_searches_are_recognised(stream: Any) -> None:
    """Real streams with searches by the provider: one artifact for each call that searched, and no other."""
    trace = record_stream(stream.body, **stream.response)
    searches = [call.id for call in trace.summary.tool_calls if call.name == "web_search"]
    artifacts = [event.payload or {} for event in trace.events_of("artifact.added")]
    artifacts = [artifact for artifact in artifacts if "failed" not in artifact]
    assert sorted(map(str, searches)) == sorted(str(found["tool_call_id"]) for found in artifacts)
    for found in artifacts:
        assert found["result_count"] is None or found["result_count"] == len(found["links"])
