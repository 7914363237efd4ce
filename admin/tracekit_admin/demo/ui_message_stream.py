"""The demo's answers as a Vercel AI SDK UI message stream: the server runs the tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tracekit_admin.demo.pacing import DONE, Beat, comments, frame, spoken, tokens
from tracekit_admin.demo.script import Answer, ToolUse

__all__ = ["ui_message_stream"]

# How long the demo's tool takes, filled with keepalives.
_TOOL_SECONDS = 2.0


def ui_message_stream(answer: Answer) -> Iterator[Beat]:
    """An answer beat by beat, from `start` to `[DONE]`."""
    yield _part("start", 0.25, messageId=f"msg_{answer.id}")
    yield _part("start-step")
    yield from comments(answer.silent_seconds)
    yield from _block("reasoning", "r0", spoken(answer.reasoning))
    if answer.tool:
        yield from _tool(answer.tool)
        yield _part("finish-step")
        yield _part("start-step", 0.2)
    yield from _block("text", "t0", spoken(answer.text, breaks_off=answer.breaks_off))
    yield _part("finish-step")
    yield _part("finish", 0.02, finishReason="stop", messageMetadata={"usage": _usage(answer)})
    yield DONE


def _block(kind: str, name: str, words: Iterator[tuple[float, str]]) -> Iterator[Beat]:
    yield _part(f"{kind}-start", id=name)
    for pause, piece in words:
        yield _part(f"{kind}-delta", pause, id=name, delta=piece)
    yield _part(f"{kind}-end", id=name)


def _tool(tool: ToolUse) -> Iterator[Beat]:
    yield _part("tool-input-start", 0.1, toolCallId=tool.id, toolName=tool.name)
    for pause, piece in spoken(json.dumps(tool.arguments)):
        yield _part("tool-input-delta", pause, toolCallId=tool.id, inputTextDelta=piece)
    yield _part("tool-input-available", toolCallId=tool.id, toolName=tool.name, input=tool.arguments)
    yield from comments(_TOOL_SECONDS)
    yield _part("tool-output-available", toolCallId=tool.id, output=tool.result)


def _usage(answer: Answer) -> dict[str, int]:
    output = tokens(answer.reasoning, answer.text)
    return {
        "inputTokens": answer.input_tokens,
        "outputTokens": output,
        "totalTokens": answer.input_tokens + output,
    }


def _part(kind: str, pause: float = 0.0, **fields: Any) -> Beat:
    return Beat(pause, frame({"type": kind, **fields}))
