"""The demo's answers as Anthropic Messages: content blocks between named events, pings while it thinks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tracekit_admin.demo.openai_chat import MODEL
from tracekit_admin.demo.pacing import Beat, frame, pings, spoken, tokens
from tracekit_admin.demo.script import Answer, ToolUse

__all__ = ["anthropic_messages"]


def anthropic_messages(answer: Answer) -> Iterator[Beat]:
    """An answer beat by beat. A tool call ends it: the client runs the tool and asks again."""
    yield _event(0.25, "message_start", message=_message(answer))
    yield Beat(0.0, frame({"type": "ping"}, "ping"))
    yield from pings(answer.silent_seconds)
    blocks = _blocks(answer)
    for index, (block, deltas) in enumerate(blocks):
        yield _event(0.05, "content_block_start", index=index, content_block=block)
        for pause, delta in deltas:
            yield _event(pause, "content_block_delta", index=index, delta=delta)
        yield _event(0.0, "content_block_stop", index=index)
    stop = {"stop_reason": "tool_use" if answer.awaits_tool else "end_turn", "stop_sequence": None}
    output = tokens(answer.reasoning, answer.said)
    yield _event(0.02, "message_delta", delta=stop, usage={"output_tokens": output})
    yield _event(0.0, "message_stop")


_Deltas = Iterator[tuple[float, dict[str, Any]]]


def _blocks(answer: Answer) -> Iterator[tuple[dict[str, Any], _Deltas]]:
    if answer.reasoning:
        yield {"type": "thinking", "thinking": "", "signature": ""}, _thinking(answer)
    if answer.tool and answer.awaits_tool:
        yield {"type": "tool_use", "id": answer.tool.id, "name": answer.tool.name, "input": {}}, _input(answer.tool)
    else:
        yield {"type": "text", "text": ""}, _text(answer)


def _thinking(answer: Answer) -> _Deltas:
    for pause, piece in spoken(answer.reasoning):
        yield pause, {"type": "thinking_delta", "thinking": piece}
    yield 0.0, {"type": "signature_delta", "signature": answer.id}


def _input(tool: ToolUse) -> _Deltas:
    yield 0.0, {"type": "input_json_delta", "partial_json": ""}
    for pause, piece in spoken(json.dumps(tool.arguments)):
        yield pause, {"type": "input_json_delta", "partial_json": piece}


def _text(answer: Answer) -> _Deltas:
    for pause, piece in spoken(answer.text, breaks_off=answer.breaks_off):
        yield pause, {"type": "text_delta", "text": piece}


def _message(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": 1},
    }


def _event(pause: float, name: str, **fields: Any) -> Beat:
    return Beat(pause, frame({"type": name, **fields}, name))
