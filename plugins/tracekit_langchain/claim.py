"""Which streams are LangChain's: by the names of their events together with the form of what they carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracekit.decoding import Claim, Frame, StreamHead, Unreadable
from tracekit.hookspecs import hookimpl
from tracekit.types import Framing
from tracekit_langchain.events import is_event
from tracekit_langchain.langgraph import EVENTS, LangGraphDecoder
from tracekit_langchain.langserve import LangServeDecoder
from tracekit_langchain.message import Kind, kind_of, unwrapped

__all__ = ["tracekit_stream_decoder"]

_SURE, _LIKELY, _POSSIBLE = 0.9, 0.5, 0.2

_PATHS_OF_LANGSERVE = ("/stream", "/stream_log", "/stream_events")


@hookimpl
def tracekit_stream_decoder(head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """Claim runs of LangGraph and streams of LangServe."""
    if head.framing is not Framing.SSE or not frames:
        return None
    graph = max(_certainty_of_graph(frame, head.path) for frame in frames)
    serve = max(_certainty_of_serve(frame, head.path) for frame in frames)
    if _begins_a_run(frames[0]) and len(frames) > 1:
        graph = _SURE if _base_name(frames[1]) in EVENTS - {"error", "end"} else graph
        serve = _SURE if frames[1].event == "data" else serve
    if not graph and not serve:
        return None
    return Claim(graph, LangGraphDecoder) if graph > serve else Claim(serve, LangServeDecoder)


def _base_name(frame: Frame) -> str:
    return (frame.event or "").partition("|")[0]


def _begins_a_run(frame: Frame) -> bool:
    """Both servers first say `metadata` with the id of the run."""
    data = _payload(frame) if frame.event == "metadata" else None
    return isinstance(data, dict) and isinstance(data.get("run_id"), str)


def _certainty_of_graph(frame: Frame, path: str) -> float:
    """Only three names are LangGraph's own. Others may be anybody's, so the payload must tell, or the path."""
    name = _base_name(frame)
    if name in ("messages/partial", "messages/complete", "messages/metadata"):
        return _SURE
    is_told_by = _PAYLOADS.get(name)
    if is_told_by is not None:
        return is_told_by(_payload(frame), path)
    return _LIKELY if name in EVENTS and "/runs/" in path else 0.0


def _certainty_of_metadata(data: Any, path: str) -> float:
    if not isinstance(data, dict) or not isinstance(data.get("run_id"), str):
        return 0.0
    # LangServe's metadata has no count of attempts.
    return _SURE if isinstance(data.get("attempt"), int) or "/runs/" in path else _LIKELY


def _certainty_of_state(data: Any, path: str) -> float:
    messages = data.get("messages") if isinstance(data, dict) else None
    if isinstance(messages, list) and messages and all(_is_message(message) for message in messages):
        return _SURE
    return _LIKELY if "/runs/" in path else _POSSIBLE


def _certainty_of_pair(data: Any, _path: str) -> float:
    return _SURE if isinstance(data, list) and len(data) == 2 and _is_message(data[0]) else 0.0


def _certainty_of_event(data: Any, _path: str) -> float:
    return _SURE if is_event(data) else 0.0


def _certainty_of_serve(frame: Frame, path: str) -> float:
    if frame.event == "data":
        data = _payload(frame)
        if _is_piece(data) or is_event(data):
            return _SURE
        return _LIKELY if isinstance(data, str) or path.endswith(_PATHS_OF_LANGSERVE) else _POSSIBLE
    return _LIKELY if _begins_a_run(frame) and path.endswith(_PATHS_OF_LANGSERVE) else 0.0


def _payload(frame: Frame) -> Any:
    try:
        return frame.json
    except Unreadable:
        return None


def _is_message(value: Any) -> bool:
    message = unwrapped(value)
    return message is not None and kind_of(message) is not None and "content" in message


def _is_piece(value: Any) -> bool:
    message = unwrapped(value)
    return message is not None and kind_of(message) is Kind.CHUNK and "content" in message


_PAYLOADS: dict[str, Callable[[Any, str], float]] = {
    "metadata": _certainty_of_metadata,
    "messages": _certainty_of_pair,
    "events": _certainty_of_event,
    "values": _certainty_of_state,
    "updates": _certainty_of_state,
}
