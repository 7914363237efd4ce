"""The demo's answers as OpenAI Chat Completions: chunks, reasoning in `reasoning_content`, usage in the last one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tracekit_admin.demo.pacing import DONE, Beat, comments, frame, spoken, tokens
from tracekit_admin.demo.script import Answer, ToolUse

__all__ = ["MODEL", "openai_chat"]

MODEL = "scripted-1"
# The start of 2026: a real clock here would make two answers to one prompt differ.
_CREATED = 1767225600


def openai_chat(answer: Answer) -> Iterator[Beat]:
    """An answer beat by beat. A tool call ends it: the client runs the tool and asks again."""
    yield Beat(0.25, _chunk(answer, {"role": "assistant", "content": ""}))
    yield from comments(answer.silent_seconds)
    for pause, piece in spoken(answer.reasoning):
        yield Beat(pause, _chunk(answer, {"reasoning_content": piece}))
    if answer.tool and answer.awaits_tool:
        yield from _tool_call(answer, answer.tool)
    else:
        for pause, piece in spoken(answer.text, breaks_off=answer.breaks_off):
            yield Beat(pause, _chunk(answer, {"content": piece}))
    yield Beat(0.02, _chunk(answer, {}, finish_reason="tool_calls" if answer.awaits_tool else "stop"))
    yield Beat(0.0, _usage(answer))
    yield DONE


def _tool_call(answer: Answer, tool: ToolUse) -> Iterator[Beat]:
    head = {"index": 0, "id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": ""}}
    yield Beat(0.1, _chunk(answer, {"tool_calls": [head]}))
    for pause, piece in spoken(json.dumps(tool.arguments)):
        yield Beat(pause, _chunk(answer, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))


def _chunk(answer: Answer, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return frame({**_head(answer), "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _usage(answer: Answer) -> bytes:
    output = tokens(answer.reasoning, answer.said)
    counts = {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
    }
    return frame({**_head(answer), "choices": [], "usage": counts})


def _head(answer: Answer) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer.id}", "object": "chat.completion.chunk", "created": _CREATED, "model": MODEL}
