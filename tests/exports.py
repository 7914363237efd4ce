"""Exports for tests: a chat worth exporting, hostile text, and what a safe document looks like."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from timed_traces import At, Single
from trace_rows import Frame

from tracekit.exporting import ExportOptions, FrameDetail
from tracekit.plugins import PluginHost
from tracekit.store import Database, TraceStore
from tracekit.terminal_text import width
from tracekit.types import ItemKind

HOSTILE = "\x1b[2J\x1b]0;pwned\x07\u202e\u200b\r\nEND OF TRACE 0\n  PROMPT\n│ forged\x9b31m\x00"
KEEPALIVE = Frame(b": ping\n\n", ItemKind.KEEPALIVE)
COLUMNS = 100


def exported(database: Database, trace_id: str, name: str, frames: FrameDetail = "summary") -> bytes:
    exporter = PluginHost.load().exporters()[name]
    return b"".join(exporter.write(TraceStore(database), trace_id, ExportOptions(frames)))


def text_of(database: Database, trace_id: str, frames: FrameDetail = "summary") -> str:
    return exported(database, trace_id, "txt", frames).decode()


def section(text: str, title: str) -> list[str]:
    """The lines of one section of a text export, its heading left out."""
    found = re.search(rf"^{title} ─.*?\n(.*?)(?=\n\n?[A-Z ]+ ─|\n\nEND OF TRACE|\Z)", text, re.M | re.S)
    assert found is not None, f"no section {title} in:\n{text}"
    return found[1].splitlines()


def delta(words: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': words}}]})}\n\n".encode()


def a_chat(**columns: Any) -> dict[str, Any]:
    """The columns of a chat that was recorded in full."""
    return {
        "session_id": "s-42", "message_id": "m-1", "client_message_id": "c-1", "actor": "alice", "actor_is_admin": True,
        "reason_code": "UNEXPECTED_ERROR", "error": "ValueError: no such page", "method": "POST", "path": "/api/chat",
        "client": "192.0.2.7:5123", "http_status": 200, "content_type": "text/event-stream", "framing": "sse",
        "wire_format": "openai.chat", "model": "gpt-4o-mini", "finish_reason": "stop", "input_tokens": 1812,
        "output_tokens": 120, "usage": json.dumps({"input_tokens": 1812, "output_tokens": 120, "reasoning_tokens": 34}),
        "tool_calls": 1, "first_byte_us": 512_345, "first_frame_us": 512_345, "first_content_us": 612_000,
        "first_delivered_us": 513_000, "longest_silence_us": 12_400_000, "send_blocked_us": 7_000, "bytes_seen": 98_765,
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "metadata": json.dumps({"temperature": 0.2}),
    } | columns  # fmt: skip


def a_timeline() -> list[At]:
    call = {"id": "call_1", "name": "web_search"}
    hits = {"hits": ["https://example.org/a", "https://example.org/b"]}
    return [
        At(0, Single("request.received", {"method": "POST", "path": "/api/chat", "body_bytes": 1234})),
        At(0.1, Single("response.started", {"status": 200})),
        At(0.5, delta("Hello ")),
        At(0.6, delta("world, ")),
        At(0.7, Single("tool.started", call)),
        At(0.8, Single("tool.arguments", call | {"arguments": {"q": "release date"}})),
        At(5, KEEPALIVE),
        At(10, KEEPALIVE),
        At(13, Single("tool.finished", call | {"arguments": {"q": "release date"}, "result": hits, "duration_us": 1})),
        At(13, delta("it was ")),
        At(13.1, delta("May.")),
        At(13.2, Single("error", {"type": "ValueError", "message": "no such page", "traceback": "Traceback\n  in f"})),
        At(13.3, Single("trace.finished", {"end_reason": "app_error"})),
    ]


def is_harmless(line: str) -> bool:
    return not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in line)


def assert_safe_to_print(text: str) -> None:
    for line in text.removesuffix("\n").split("\n"):
        assert is_harmless(line)
        assert width(line) <= COLUMNS
    assert text.count("\nEND OF TRACE ") == 1
    assert text.count("\n  PROMPT\n") == 1
    assert not re.search(r"^│ forged", text, re.M)
