"""The `error` event of LangGraph and LangServe."""

from __future__ import annotations

from typing import Any

from tracekit import json_text
from tracekit.decoding import Failed, Frame, Unreadable
from tracekit_langchain.message import text_member

__all__ = ["failure_of"]


def failure_of(frame: Frame) -> Failed:
    """LangGraph names the exception as `error` beside a `message`, LangServe has a `status_code`; some send text."""
    try:
        data: Any = frame.json
    except Unreadable:
        return Failed(frame.text)
    if isinstance(data, str):
        return Failed(data)
    if not isinstance(data, dict):
        return Failed(frame.text)
    name, status = text_member(data, "error"), data.get("status_code")
    code = str(status) if isinstance(status, int) and not isinstance(status, bool) else name
    message = text_member(data, "message") or name or json_text.encode(data)
    return Failed(message, code if code != message else None)
