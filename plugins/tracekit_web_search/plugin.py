"""Recognises tool calls that search the web, and records their queries, links and texts as an artifact."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracekit.hookspecs import hookimpl
from tracekit.trace import TraceInfo
from tracekit.transcript import ToolCall
from tracekit_web_search.queries import queries
from tracekit_web_search.results import found

__all__ = ["tracekit_tool_call_failed", "tracekit_tool_call_finished"]

_KIND = "web_search"

# Names as they are given to models and as providers give their own: `web_search_20250305`, `mcp__brave__web_search`,
# `tavily_search_results_json`, `googleSearch`. What merely begins with "search_", as for files, is something else.
_NAMES = re.compile(
    r"(?:^|_)(?:web|internet|online|google|bing|brave|duckduckgo|ddg|searx(?:ng)?|serp(?:er|api)?|kagi|exa|tavily"
    r"|perplexity|baidu|yandex|browser|news)_?(?:web_?)?search"
    r"|(?:^|_)search_?(?:the_?)?(?:web|internet|online|google|news)"
    r"|^(?:search|tavily|serper|serpapi|duckduckgo|exa|google|bing|brave)$|^tavily_"
)
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_LONGEST_NAME = 200


@hookimpl
def tracekit_tool_call_finished(trace: TraceInfo, call: ToolCall) -> Mapping[str, object] | None:
    """The artifact of a search: its queries, how many results, the links, the text that was found."""
    if not _is_search(call):
        return None
    return {"kind": _KIND, "queries": queries(call.arguments), **found(call.result)}


@hookimpl
def tracekit_tool_call_failed(trace: TraceInfo, call: ToolCall) -> None:
    """A search that failed leaves an artifact too: what was asked in vain."""
    if _is_search(call):
        artifact = {"tool_call_id": call.id, "kind": _KIND, "queries": queries(call.arguments), "failed": True}
        trace.log("artifact.added", **artifact)


def _is_search(call: ToolCall) -> bool:
    names = (name for name in (call.name, call.kind) if isinstance(name, str))
    return any(_NAMES.search(_WORD_BREAK.sub("_", name[:_LONGEST_NAME]).lower()) for name in names)
